// What the dashboard says: Home Assistant's translations of this integration, in the user's
// language, with English where a language has no word. There is no text in these modules.

const DOMAIN = "computeload";
const CATEGORY = "config_panel";

let latest = null;
let loading = { language: null };

/** Load the texts of the user's language; return what finds one: `say(key, values)`. */
export async function loadTexts(hass) {
  // Whoever asks Home Assistant while the texts are on their way is told that they are there.
  if (loading.language !== hass.language) {
    const { language } = hass;
    loading = { language, texts: hass.loadBackendTranslation(CATEGORY, DOMAIN) };
    loading.texts.catch(() => (loading = { language: null }));
  }
  const localize = await loading.texts;
  latest = (key, values) => localize(`component.${DOMAIN}.${CATEGORY}.${key}`, values);
  return latest;
}

/** Return a text where nobody can wait for it; the key while the texts are not there yet. */
export const said = (key) => latest?.(key) || key;
