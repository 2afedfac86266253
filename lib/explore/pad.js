// White ink on black, as in MNIST. The kernel gets one byte a pixel.
const SIDE = 280, PEN = 22;

function render({ model, el }) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIDE;
  canvas.className = "explore-pad";
  canvas.style.cssText = `width:${SIDE}px;height:${SIDE}px;cursor:crosshair;touch-action:none;border:1px solid #888`;
  const pen = canvas.getContext("2d", { willReadFrequently: true });

  const wipe = () => {
    pen.fillStyle = "black";
    pen.fillRect(0, 0, SIDE, SIDE);
    Object.assign(pen, { strokeStyle: "white", lineWidth: PEN, lineCap: "round", lineJoin: "round" });
  };
  const send = () => {
    const pixels = pen.getImageData(0, 0, SIDE, SIDE).data;
    model.set("ink", new DataView(Uint8Array.from({ length: SIDE * SIDE }, (_, i) => pixels[4 * i]).buffer));
    model.save_changes();
  };
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) * SIDE / box.width, (event.clientY - box.top) * SIDE / box.height];
  };

  let drawing = false;
  canvas.addEventListener("pointerdown", (event) => {
    drawing = true;
    canvas.setPointerCapture(event.pointerId);
    pen.beginPath();
    pen.moveTo(...place(event));
    pen.lineTo(...place(event));
    pen.stroke();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!drawing) return;
    pen.lineTo(...place(event));
    pen.stroke();
  });
  for (const end of ["pointerup", "pointercancel"])
    canvas.addEventListener(end, () => {
      if (drawing) send();
      drawing = false;
    });

  const clear = document.createElement("button");
  clear.className = "jupyter-button widget-button explore-clear";
  clear.textContent = model.get("clear_label");
  clear.addEventListener("click", () => {
    wipe();
    send();
  });
  wipe();
  const box = document.createElement("div");
  box.style.cssText = "display:flex;flex-direction:column;gap:6px;align-items:flex-start";
  box.append(canvas, clear);
  el.append(box);
}

export default { render };
