// Plays recorded time: as fast as it was, or the whole run in so many seconds.

const SPEEDS = [10, 30, 60, 180, 600];
const CALM_FRAME_MS = 500; // where the reader asked for less motion

class Player {
  constructor(map, parts) {
    this.map = map;
    this.button = parts.play;
    this.speed = parts.speed;
    this.playing = false;
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    this.button.addEventListener("click", () => this.toggle());
  }

  fill() {
    const before = this.speed.selectedIndex; // -1: not filled yet
    const wall = this.map.duration / 1e6;
    const choices = SPEEDS.map((s) => [s, `whole run in ${s < 60 ? `${s} s` : `${s / 60} min`}`]);
    fillSelect(this.speed, [[wall, `as recorded, ${seconds(this.map.duration, this.map.duration)}`], ...choices]);
    if (before > 0) this.speed.selectedIndex = before;
    else if (before < 0) this.speed.value = this.map.steps() < 150 ? 10 : 30;
  }

  toggle() {
    if (this.playing) this.stop();
    else this.start();
  }

  start() {
    if (this.map.atEnd()) this.map.goToTime(0);
    this.playing = true;
    this.last = performance.now();
    this.write();
    requestAnimationFrame((now) => this.frame(now));
  }

  stop() {
    if (!this.playing) return;
    this.playing = false;
    this.write();
    this.map.settled();
    this.map.address.write();
  }

  frame(now) {
    if (!this.playing) return;
    const passed = now - this.last;
    if (passed >= (this.calm.matches ? CALM_FRAME_MS : 0)) {
      this.last = now;
      this.map.goToTime(this.map.time + (passed / 1000 / Number(this.speed.value)) * this.map.duration);
      if (this.map.atEnd()) return this.stop();
    }
    requestAnimationFrame((next) => this.frame(next));
  }

  write() {
    setText(this.button, this.playing ? "Pause" : "Play");
    this.button.dataset.playing = this.playing;
  }
}
