// Zoom along the horizontal axis: the chart shows the stretch in its parameter `window`, or all of it if that is null.

class Zoom {
  constructor(view, box) {
    this.view = view;
    this.box = box;
    this.full = view.scale("x").domain();
    box.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    box.addEventListener("pointerdown", (event) => this.drag(event));
    box.addEventListener("dblclick", () => this.all());
  }

  // After another quantity was picked the axis may have another domain.
  renew() {
    this.view.signal("window", null).run();
    this.full = this.view.scale("x").domain();
  }

  all() {
    this.show(null);
  }

  // Shows `factor` times of the present stretch; the place at `share` of the width stays.
  by(factor, share = 0.5) {
    this.between(share - share * factor, share + (1 - share) * factor);
  }

  move(share) {
    const scale = this.view.scale("x");
    const width = this.view.width();
    const [first, last] = this.full.map((value) => scale(value) / width);
    const step = Math.min(Math.max(share, Math.min(0, first)), Math.max(0, last - 1));
    if (step) this.between(step, 1 + step);
  }

  between(from, to) {
    const scale = this.view.scale("x");
    const width = this.view.width();
    const [first, last] = this.full;
    const shown = [Math.max(first, scale.invert(from * width)), Math.min(last, scale.invert(to * width))];
    if (shown[0] < shown[1]) this.show(shown[0] <= first && shown[1] >= last ? null : shown);
  }

  show(stretch) {
    this.view.signal("window", stretch).run();
  }

  // Only with the key that also zooms the page, or a pinch, so that the page can be scrolled past the chart.
  wheel(event) {
    if (!event.ctrlKey) return;
    event.preventDefault();
    const left = this.box.getBoundingClientRect().left + this.view.origin()[0] + this.view.padding().left;
    const share = (event.clientX - left) / this.view.width();
    this.by(event.deltaY > 0 ? 1.25 : 0.8, Math.min(1, Math.max(0, share)));
  }

  drag(event) {
    if (event.pointerType !== "mouse" || event.button) return;
    let before = event.clientX;
    const moved = (now) => {
      this.move((before - now.clientX) / this.view.width());
      before = now.clientX;
    };
    const ended = new AbortController();
    addEventListener("pointermove", moved, { signal: ended.signal });
    addEventListener("pointerup", () => ended.abort(), { signal: ended.signal });
  }
}
