// The script that other sites include: one file, of a name that stays, without anything of the page in it.
import { defineConfig } from "vite";

export default defineConfig({
  publicDir: false,
  build: {
    outDir: process.env.REKINDLE_PAGE_FILES ?? "../src/rekindle/http/page_files",
    emptyOutDir: false,
    lib: { entry: "src/widget/loader.ts", formats: ["iife"], name: "RekindleLoader", fileName: () => "widget.js" },
  },
});
