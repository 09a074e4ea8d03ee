// The sliders below the photos. Without this script each photo shows half truth, half prediction.
for (const slider of document.querySelectorAll("input[data-split]")) {
  const layers = slider.closest("figure").querySelector(".layers");
  const show = () => {
    layers.style.setProperty("--split", slider.value + "%");
    slider.setAttribute("aria-valuetext",
      slider.value + " % truth, " + (100 - slider.value) + " % prediction");
  };
  slider.addEventListener("input", show);
  const follow = (event) => {
    const box = layers.getBoundingClientRect();
    slider.value = Math.round(100 * (event.clientX - box.left) / box.width);
    show();
  };
  layers.addEventListener("pointermove", (event) => { if (event.buttons) follow(event); });
  layers.addEventListener("pointerdown", follow);
  layers.style.touchAction = "pan-y";
  show();
}
for (const slider of document.querySelectorAll("input[data-tint]")) {
  slider.addEventListener("input", () => {
    for (const layers of document.querySelectorAll(".layers")) {
      layers.style.setProperty("--tint-by", slider.value / 100);
    }
  });
}
