import type { VideoTags } from "../../core/ports/video-tags.ts";
import type { VideoPage } from "../../core/reconciliation/rules/comparison.ts";
import type { StreamVideo, VerifiedVideo } from "../../core/stream/rules/video.ts";

/** Verifies the tags of reported videos before they are applied in a transaction. The Worker that read them verifies nothing. */
export class TagVerifier {
  readonly #tenant: string;
  readonly #isKnown: (uid: string) => boolean;
  readonly #use: () => { readonly tags: Pick<VideoTags, "verify"> };

  /** @param isKnown whether the ledger has the uid, which says more than a tag */
  constructor(
    tenant: string,
    isKnown: (uid: string) => boolean,
    use: () => { readonly tags: Pick<VideoTags, "verify"> },
  ) {
    this.#tenant = tenant;
    this.#isKnown = isKnown;
    this.#use = use;
  }

  async verifyPage({ videos, ...span }: VideoPage): Promise<VideoPage<VerifiedVideo>> {
    return { ...span, videos: await Promise.all(videos.map((video) => this.verify(video))) };
  }

  async verify({ tag, ...video }: StreamVideo): Promise<VerifiedVideo> {
    if (tag?.tenant !== this.#tenant || this.#isKnown(video.report.uid)) return video;
    return { ...video, tag: { ...tag, signed: await this.#use().tags.verify(tag) } };
  }
}
