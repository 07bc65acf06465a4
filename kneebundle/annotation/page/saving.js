// Saving: one request after the other a radiograph; what could not be saved is kept.

import { saveFilm } from "./api.js";

/** Save what is not saved yet. `tell(name, text, bad)` hears how it went. */
export async function save(own, name, tell) {
  clearTimeout(own.timer);
  while (own.saving) await own.saving;
  if (!own.dirty || own.conflict) return;
  own.dirty = false;
  own.saving = send(own, name, tell);
  await own.saving;
  own.saving = null;
}

async function send(own, name, tell) {
  try {
    const saved = await saveFilm(name, own.toSave());
    own.revision = saved.revision;
    tell(name, own.dirty ? "Saving ..." : `Saved ${new Date(saved.saved_at).toLocaleTimeString()}`);
  } catch (error) {
    own.dirty = true;
    if (error.status === 409) own.conflict = { message: error.message, film: error.content.current };
    tell(name, own.conflict ? "Not saved" : `Not saved: ${error.message}`, true);
  }
}
