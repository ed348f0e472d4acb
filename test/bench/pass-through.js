/**
 * The baseline: the Worker from Cloudflare's documentation for tus uploads, passing Stream's status on. Anyone can create
 * anything.
 *
 * @see https://developers.cloudflare.com/stream/uploading-videos/direct-creator-uploads/
 */
export default {
  async fetch(request, env) {
    const response = await fetch(`${env.STREAM_API_BASE}/accounts/${env.STREAM_ACCOUNT_ID}/stream?direct_user=true`, {
      method: "POST",
      headers: {
        Authorization: `Bearer ${env.STREAM_API_TOKEN}`,
        "Tus-Resumable": "1.0.0",
        "Upload-Length": request.headers.get("Upload-Length"),
        "Upload-Metadata": request.headers.get("Upload-Metadata"),
      },
    });
    return new Response(null, {
      status: response.status,
      headers: {
        "Access-Control-Expose-Headers": "Location",
        "Access-Control-Allow-Headers": "*",
        "Access-Control-Allow-Origin": "*",
        Location: response.headers.get("Location"),
      },
    });
  },
};
