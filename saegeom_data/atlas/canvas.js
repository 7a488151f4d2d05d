// Points by a plain 2-D canvas, where there is no WebGL2: colour by colour, discs for few features and squares for many.

const MOST_DISCS = 20000;

function canvasPoints(canvas) {
  const pen = canvas.getContext("2d");
  let x, y, size, slot;
  return {
    name: "2-D canvas",
    setPlaces: (...given) => ([x, y, size] = given),
    setSlots: (each) => (slot = each),
    draw(view, colours) {
      pen.setTransform(view.ratio, 0, 0, view.ratio, 0, 0);
      pen.clearRect(0, 0, view.width, view.height);
      const isFew = x.length <= MOST_DISCS;
      // Faint ones first, so that the others lie upon them.
      for (const faint of [128, 0]) {
        for (let index = colours.length - 1; index >= 0; index--) {
          pen.fillStyle = `rgb(${colours[index].map((part) => Math.round(255 * part)).join()})`;
          pen.globalAlpha = faint ? 0.1 : index > 7 ? 0.45 : 0.82;
          drawSlot(view, index + faint, faint ? 0.7 : 1, isFew);
        }
      }
      pen.globalAlpha = 1;
    },
  };

  function drawSlot(view, wanted, factor, isFew) {
    for (let i = 0; i < x.length; i++) {
      if (slot[i] !== wanted || (x[i] === OFF && y[i] === OFF)) continue;
      const [left, top] = [view.left(x[i]), view.top(y[i])];
      if (left < -9 || top < -9 || left > view.width + 9 || top > view.height + 9) continue;
      const share = size[i] / 255;
      const radius = Math.max(0.75, view.radius * factor * (0.35 + 1.4 * share * share));
      if (!isFew) {
        pen.fillRect(left - radius, top - radius, 2 * radius, 2 * radius);
        continue;
      }
      pen.beginPath();
      pen.arc(left, top, radius, 0, 7);
      pen.fill();
    }
  }
}
