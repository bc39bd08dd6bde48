const said = document.getElementById("said");
const who = document.getElementById("who");

function begin() {
  for (const name of ["ready", "open", "close", "session", "answer"]) {
    Rekindle.on(name, () => {
      said.textContent += " " + name;
    });
  }
  document.getElementById("ask").onclick = () => Rekindle.open();
  document.getElementById("leave").onclick = () => {
    Rekindle.reset();
    who.textContent = "Nobody is signed in";
  };
  for (const button of document.querySelectorAll("[data-user]")) {
    button.onclick = async () => {
      // A real site knows who is signed in; its server signs a token for nobody else.
      const answer = await fetch("/token?user=" + button.dataset.user);
      Rekindle.setUser((await answer.json()).token);
      who.textContent = "Signed in as " + button.dataset.user;
    };
  }
}

if (window.Rekindle) begin();
else addEventListener("rekindle", begin, { once: true });
