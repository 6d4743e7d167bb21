// The address of something that this page's server serves, wherever the page is mounted: behind a proxy, which may add
// a path in front, only Gradio's root is right.  Where its host is the page's own, the page's origin is the one that
// can be reached, by the protocol and the port that the visitor uses.
export function served(path) {
  const root = new URL(window.gradio_config?.root || "/", location.href);
  const origin = root.hostname === location.hostname ? location.origin : root.origin;
  return origin + root.pathname.replace(/\/+$/, "") + path;
}
