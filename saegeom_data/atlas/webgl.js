// Points by WebGL2: one draw call, places and sizes as they lie in the payload.

const VERTEX = `#version 300 es
in vec2 place; in float size; in float slot;
uniform vec2 scale, shift; uniform float radius, ratio; uniform vec3 colours[10];
out vec4 colour;
void main() {
  bool faint = slot > 127.5;
  int index = int(faint ? slot - 128.0 : slot);
  bool off = place.x > 0.99999 && place.y > 0.99999;
  gl_Position = vec4(off ? vec2(9.0) : place * scale + shift, 0.0, 1.0);
  gl_PointSize = max(1.5, radius * 2.0 * (faint ? 0.7 : 1.0) * (0.35 + 1.4 * size * size)) * ratio;
  colour = vec4(colours[index], faint ? 0.10 : index > 7 ? 0.45 : 0.82);
}`;

const FRAGMENT = `#version 300 es
precision mediump float;
in vec4 colour; out vec4 pixel;
void main() {
  float distance = length(gl_PointCoord - 0.5);
  float alpha = colour.a * (1.0 - smoothstep(0.40, 0.5, distance));
  pixel = vec4(colour.rgb * alpha, alpha);
}`;

function webglPoints(canvas) {
  const gl = canvas.getContext("webgl2", { antialias: false, alpha: true, premultipliedAlpha: true });
  if (!gl) return null;
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) return null;
  gl.useProgram(program);
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  const uniform = (name) => gl.getUniformLocation(program, name);
  const buffers = { place: gl.createBuffer(), size: gl.createBuffer(), slot: gl.createBuffer() };
  let n = 0;

  function fill(name, values, width, kind, normalised) {
    const at = gl.getAttribLocation(program, name);
    gl.bindBuffer(gl.ARRAY_BUFFER, buffers[name]);
    gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
    gl.enableVertexAttribArray(at);
    gl.vertexAttribPointer(at, width, kind, normalised, 0, 0);
  }

  return {
    name: "WebGL2",
    setPlaces(x, y, size) {
      n = x.length;
      const places = new Uint16Array(2 * n);
      for (let i = 0; i < n; i++) (places[2 * i] = x[i]), (places[2 * i + 1] = y[i]);
      fill("place", places, 2, gl.UNSIGNED_SHORT, true);
      fill("size", size, 1, gl.UNSIGNED_BYTE, true);
    },
    setSlots: (each) => fill("slot", each, 1, gl.UNSIGNED_BYTE, false),
    draw(view, colours) {
      gl.viewport(0, 0, canvas.width, canvas.height);
      gl.clearColor(0, 0, 0, 0);
      gl.clear(gl.COLOR_BUFFER_BIT);
      const [w, h] = [view.width / 2, view.height / 2];
      gl.uniform2f(uniform("scale"), view.scale / w, view.scale / h);
      gl.uniform2f(uniform("shift"), (-view.x * view.scale) / w, (-view.y * view.scale) / h);
      gl.uniform1f(uniform("radius"), view.radius);
      gl.uniform1f(uniform("ratio"), view.ratio);
      gl.uniform3fv(uniform("colours"), colours.flat());
      gl.drawArrays(gl.POINTS, 0, n);
    },
  };
}
