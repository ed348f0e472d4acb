/**
 * The platform's minimal cost of the gateway's responses, without routing, parsing, policy or look-ups. A creation hashes the key,
 * has a deadline, uses `waitUntil`, writes a log line and answers with the headers that clients read; a refusal writes a log line
 * and a problem. No gateway that does this costs less.
 */
const encoder = new TextEncoder();
const nobody = new Uint8Array(32);
const creating = { route: "/v1/:tenant/uploads", tenant: "acme", callerKind: "api-key", upstream: "default" };
const created = { status: 201, upstreamStatus: 201, uploadLength: 52428800, maxDurationSeconds: 600 };

export default {
  async fetch(request, env, context) {
    const { headers } = request;
    const requestId = crypto.randomUUID();
    const answering = {
      "Cache-Control": "no-store",
      "Tus-Resumable": "1.0.0",
      "X-Request-Id": requestId,
      Vary: "Origin",
    };
    const key = headers.get("Authorization");
    if (key === "Bearer junk") return refuse(requestId, answering);

    const hash = await crypto.subtle.digest("SHA-256", encoder.encode(key));
    if (crypto.subtle.timingSafeEqual(hash, nobody)) return refuse(requestId, answering);
    const work = forward(headers, env);
    context.waitUntil(work);
    const { location, uid } = await work;
    console.log(JSON.stringify({ requestId, method: "POST", ...creating, ...created, uid, durations: { stream: 1 } }));
    const expires = new Date().toUTCString();
    return new Response(null, {
      status: 201,
      headers: {
        ...answering,
        Location: location,
        "Stream-Media-Id": uid,
        "Sluice-Upload-Id": requestId,
        "Upload-Expires": expires,
      },
    });
  },
};

async function forward(headers, env) {
  const response = await fetch(`${env.STREAM_API_BASE}/accounts/${env.STREAM_ACCOUNT_ID}/stream?direct_user=true`, {
    method: "POST",
    redirect: "manual",
    signal: AbortSignal.timeout(10_000),
    headers: {
      Authorization: `Bearer ${env.STREAM_API_TOKEN}`,
      "Tus-Resumable": headers.get("Tus-Resumable"),
      "Upload-Length": headers.get("Upload-Length"),
      "Upload-Metadata": headers.get("Upload-Metadata"),
    },
  });
  return { location: response.headers.get("Location"), uid: response.headers.get("Stream-Media-Id") };
}

function refuse(requestId, answering) {
  const problem = {
    type: "about:blank",
    title: "Invalid credential",
    status: 401,
    code: "credential_invalid",
    requestId,
  };
  console.log(JSON.stringify({ requestId, method: "POST", route: creating.route, problem: problem.code, status: 401 }));
  const headers = { ...answering, "Content-Type": "application/problem+json", "WWW-Authenticate": "Bearer" };
  return new Response(JSON.stringify(problem), { status: 401, headers });
}
