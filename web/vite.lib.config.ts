import { fileURLToPath } from "node:url";
// The components for a host's own React app: ES modules, without React, which the host has.
import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  publicDir: false,
  plugins: [react(), tailwindcss()],
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  build: {
    outDir: "lib",
    lib: { entry: "src/embed/index.tsx", formats: ["es"], fileName: () => "rekindle.js", cssFileName: "rekindle" },
    rolldownOptions: { external: ["react", "react-dom", "react/jsx-runtime", "react-dom/client"] },
  },
});
