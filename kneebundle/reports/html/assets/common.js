"use strict";

const byId = (id) => document.getElementById(id);

function isTyping(event) {
  const tag = event.target.tagName;
  const typed = tag === "SELECT" || tag === "TEXTAREA" || (tag === "INPUT" && !["checkbox", "radio"].includes(event.target.type));
  return typed || event.ctrlKey || event.metaKey || event.altKey;
}

function switchTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
}

byId("theme").addEventListener("click", switchTheme);
