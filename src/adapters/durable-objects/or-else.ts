import { errorMessage } from "../../core/shared/text.ts";

/** A Durable Object that moves or is overloaded is available again within about a second. */
export const OBJECT_RETRY_SECONDS = 1;

/** The answer of a Durable Object, or a replacement if the call throws for any reason. */
export async function orElse<T>(answer: Promise<T>, instead: (reason: string) => T | Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    return instead(errorMessage(error));
  }
}
