import { LOOPBACK } from "../../shared/fetched-url.ts";
import { playbackOf } from "../../stream/rules/playback.ts";
import type { VideoJson } from "../../stream/rules/video-document.ts";

/** Where a video can be seen with a token. What Stream has not reported is left out. */
export interface PlaybackUrls {
  /** URLs of its manifests. */
  readonly hls?: string;
  readonly dash?: string;
  /** URL of Stream's player. */
  readonly iframe?: string;
  /** URL of an image. */
  readonly thumbnail?: string;
}

/** Stream serves videos from here, and from a name of each account below it. */
const STREAM_HOST = /^(?:[a-z0-9-]+\.)*cloudflarestream\.com$/;

/**
 * Builds the URLs of a video from those that Stream last reported, with a token in the place of the uid. A URL that leads
 * elsewhere is left out: it would give the token away.
 *
 * @param allowLoopback for development: also accepts loopback hosts, with http or https
 */
export function playbackUrls(video: VideoJson, uid: string, token: string, allowLoopback: boolean): PlaybackUrls {
  const { playback = {}, thumbnail } = playbackOf(video);
  const withToken = (text: string | undefined) => {
    const url = text === undefined ? null : URL.parse(text);
    if (!url || url.username || url.password || !isPlaybackHost(url, allowLoopback)) return undefined;
    const segments = url.pathname.split("/");
    if (segments.filter((segment) => segment === uid).length !== 1) return undefined;
    const origin = `${url.protocol}//${url.host}`;
    return { origin, url: origin + segments.map((segment) => (segment === uid ? token : segment)).join("/") };
  };
  const [hls, dash, image] = [withToken(playback.hls), withToken(playback.dash), withToken(thumbnail)];
  const player = hls ?? dash;
  return {
    ...(hls && { hls: hls.url }),
    ...(dash && { dash: dash.url }),
    ...(player && { iframe: `${player.origin}/${token}/iframe` }),
    ...(image && { thumbnail: image.url }),
  };
}

function isPlaybackHost({ protocol, host, hostname }: URL, allowLoopback: boolean): boolean {
  if (allowLoopback && LOOPBACK.test(hostname)) return true;
  // Without a port: `host` has one unless it is 443.
  return protocol === "https:" && STREAM_HOST.test(host);
}
