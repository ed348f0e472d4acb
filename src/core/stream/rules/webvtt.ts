/** Whether a text, without a byte order mark, is a file of captions. https://www.w3.org/TR/webvtt1/#file-structure */
export function isWebVtt(text: string): boolean {
  return /^WEBVTT(?:[ \t\r\n]|$)/.test(text);
}
