// Parts of the payload: base64 of deflate in script elements of this page. payload.py says how they are laid out.

const TYPES = { u1: Uint8Array, i1: Int8Array, f4: Float32Array };

function fromBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const signs = atob(text);
  const bytes = new Uint8Array(signs.length);
  for (let i = 0; i < signs.length; i++) bytes[i] = signs.charCodeAt(i);
  return bytes;
}

// Numbers of which first all lowest bytes are given, then all next ones.
function fromPlanes(raw, at, n, width) {
  const values = width === 2 ? new Uint16Array(n) : new Uint32Array(n);
  for (let plane = 0; plane < width; plane++) {
    const from = at + plane * n;
    for (let i = 0; i < n; i++) values[i] |= raw[from + i] << (8 * plane);
  }
  return values;
}

function arrayOf(raw, at, kind, n, size) {
  if (kind === "text") return n ? new TextDecoder().decode(raw.subarray(at, at + size)).split("\n") : [];
  if (kind[0] === "p") return fromPlanes(raw, at, n, Number(kind[1]));
  // A copy, because a view of wider numbers has to begin at a multiple of their width.
  return new TYPES[kind](raw.slice(at, at + size).buffer);
}

async function unpack(id) {
  const bytes = fromBase64(document.getElementById(id).textContent);
  const inflated = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const raw = new Uint8Array(await new Response(inflated).arrayBuffer());
  const length = new DataView(raw.buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(raw.subarray(4, 4 + length)));
  const part = { ...header.facts };
  let at = 4 + length;
  for (const [name, [kind, n, size]] of Object.entries(header.arrays)) {
    part[name] = arrayOf(raw, at, kind, n, size);
    at += size;
  }
  return part;
}
