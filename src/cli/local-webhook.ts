/** Registers a gateway as the webhook of a local Stream. @returns the signing secret */
export async function registerLocalWebhook(
  stream: { readonly apiBase: string; readonly accountId: string; readonly token: string },
  gateway: string,
): Promise<string> {
  const answer = await fetch(`${stream.apiBase}/accounts/${stream.accountId}/stream/webhook`, {
    method: "PUT",
    headers: { Authorization: `Bearer ${stream.token}`, "Content-Type": "application/json" },
    body: JSON.stringify({ notificationUrl: `${gateway}/hooks/stream/default` }),
  });
  const { result } = (await answer.json()) as { result: { secret: string } };
  return result.secret;
}
