// An array as a picture: contrast, colours, planes, zoom to the pixel, the value under the cursor, and files of it.

import { saveFile } from "../../results/saving.js";
import { toNpy, toTiff } from "../../images/formats.js";
import { colouring, measure, paint, pictureOf, scaleBar, shortNumber, TABLE_NAMES } from "../../images/picture.js";
import { showSnackbar } from "../../state.js";

const { markRaw } = Vue;
const MOST_SCALE = 64;
const ZOOM = 1.25;
const SETTLED_MILLISECONDS = 120;
const BAR_PIXELS = 140;
let lastId = 0;

export const ImageView = {
  /** `array` is {dtype, shape, items}; `hints` may have axes, pixelSize and unit; `name` is what a file of it is called. */
  props: { array: Object, hints: Object, name: String },
  data() {
    const picture = markRaw(pictureOf(this.array, this.hints));
    return {
      id: `picture-${++lastId}`,
      picture,
      indices: picture.extra.map(({ size }) => Math.floor((size - 1) / 2)),
      table: "grey",
      low: 0,
      high: 1,
      measured: null,
      view: { x: 0, y: 0, scale: 1 },
      fits: true,
      under: "",
      hasTables: picture.channels < 3,
    };
  },
  computed: {
    shape() {
      return this.array.shape.join(" × ");
    },
    step() {
      return (this.measured.max - this.measured.min) / 1000;
    },
    /** The histogram, its counts on a logarithmic scale, as the outline of an area of 256 x 40. */
    outline() {
      const most = Math.log1p(Math.max(...this.measured.bins)) || 1;
      const heights = this.measured.bins.map((count) => 40 - (40 * Math.log1p(count)) / most);
      const at = (bin) => ((256 * bin) / heights.length).toFixed(2);
      const steps = heights.map((y, bin) => `L${at(bin)} ${y.toFixed(1)} L${at(bin + 1)} ${y.toFixed(1)}`);
      return `M0 40 ${steps.join(" ")} L256 40 Z`;
    },
    bar() {
      const { pixelSize, unit } = this.hints || {};
      if (!(pixelSize > 0)) return null;
      const ratio = this.ratio();
      const { length, pixels } = scaleBar(pixelSize, this.view.scale / ratio, BAR_PIXELS);
      return { text: `${length} ${unit || "px"}`, pixels };
    },
    canCopy: () => Boolean(navigator.clipboard?.write && window.ClipboardItem),
  },
  methods: {
    shortNumber,
    tableNames: () => TABLE_NAMES,
    ratio: () => window.devicePixelRatio || 1,
    plane() {
      return this.picture.plane(this.indices);
    },
    measureNow() {
      this.measured = markRaw(measure(this.plane(), this.array.dtype, this.picture.channels));
    },
    auto() {
      this.measureNow();
      Object.assign(this, { low: this.measured.low, high: this.measured.high });
      this.recolour();
    },
    full() {
      this.measureNow();
      Object.assign(this, { low: this.measured.min, high: this.measured.max });
      this.recolour();
    },
    recolour() {
      this.colours = colouring({ dtype: this.array.dtype, low: this.low, high: this.high, name: this.table });
      this.draw();
    },
    setLimit(which, event) {
      this[which] = Number(event.target.value);
      if (this.low > this.high) this[which === "low" ? "high" : "low"] = this[which];
      this.recolour();
    },
    moveTo(axis, event) {
      this.indices[axis] = Number(event.target.value);
      this.measureNow();
      this.draw();
    },
    /** Paint at the next frame; averages follow once nothing has moved for a moment. */
    draw() {
      this.frame ??= requestAnimationFrame(() => {
        this.frame = null;
        this.paintNow(false);
        clearTimeout(this.settling);
        if (this.view.scale <= 0.5) this.settling = setTimeout(() => this.paintNow(true), SETTLED_MILLISECONDS);
      });
    },
    paintNow(mean) {
      const canvas = this.$refs.canvas;
      if (!canvas?.width) return;
      const context = canvas.getContext("2d");
      if (this.pixels?.width !== canvas.width || this.pixels?.height !== canvas.height) {
        this.pixels = context.createImageData(canvas.width, canvas.height);
      }
      paint(this.picture, this.plane(), this.view, this.colours, this.pixels, mean);
      context.putImageData(this.pixels, 0, 0);
      this.tell();
    },
    resize() {
      const canvas = this.$refs.canvas;
      const { width, height } = canvas.getBoundingClientRect();
      if (!width || !height) return;
      canvas.width = Math.round(width * this.ratio());
      canvas.height = Math.round(height * this.ratio());
      if (this.fits) this.fit();
      else this.draw();
    },
    fit() {
      const { width, height } = this.$refs.canvas;
      const scale = Math.min(width / this.picture.width, height / this.picture.height, MOST_SCALE);
      this.place(scale);
      this.fits = true;
    },
    /** Show the middle of the picture at `scale`. */
    place(scale) {
      const { width, height } = this.$refs.canvas;
      this.view = {
        scale,
        x: this.picture.width / 2 - width / scale / 2,
        y: this.picture.height / 2 - height / scale / 2,
      };
      this.fits = false;
      this.draw();
    },
    /** Zoom by `factor`; what is at the point (x, y) of the canvas stays there. */
    zoom(factor, x = this.$refs.canvas.width / 2, y = this.$refs.canvas.height / 2) {
      const canvas = this.$refs.canvas;
      const smallest = Math.min(1, canvas.width / this.picture.width, canvas.height / this.picture.height) / 2;
      const scale = Math.min(MOST_SCALE, Math.max(smallest, this.view.scale * factor));
      this.view = {
        scale,
        x: this.view.x + x / this.view.scale - x / scale,
        y: this.view.y + y / this.view.scale - y / scale,
      };
      this.fits = false;
      this.draw();
    },
    pan(dx, dy) {
      this.view = { ...this.view, x: this.view.x - dx / this.view.scale, y: this.view.y - dy / this.view.scale };
      this.fits = false;
      this.draw();
    },
    /** Where an event is, in pixels of the canvas. */
    at(event) {
      const box = this.$refs.canvas.getBoundingClientRect();
      return [(event.clientX - box.left) * this.ratio(), (event.clientY - box.top) * this.ratio()];
    },
    wheel(event) {
      this.zoom(event.deltaY < 0 ? ZOOM : 1 / ZOOM, ...this.at(event));
    },
    press(event) {
      this.$refs.canvas.setPointerCapture(event.pointerId);
      this.grabbed = this.at(event);
    },
    release() {
      this.grabbed = null;
    },
    moved(event) {
      const [x, y] = this.at(event);
      if (this.grabbed) {
        this.pan(x - this.grabbed[0], y - this.grabbed[1]);
        this.grabbed = [x, y];
      }
      this.pointer = [x, y];
      this.tell();
    },
    left() {
      this.pointer = null;
      this.under = "";
    },
    /** Tell the value under the cursor, which may rest while the picture moves. */
    tell() {
      if (!this.pointer) return;
      const x = Math.floor(this.view.x + this.pointer[0] / this.view.scale);
      const y = Math.floor(this.view.y + this.pointer[1] / this.view.scale);
      const { width, height, channels } = this.picture;
      if (x < 0 || y < 0 || x >= width || y >= height) {
        this.under = "";
        return;
      }
      const first = (y * width + x) * channels;
      const values = Array.from(this.plane().subarray(first, first + channels), (value) =>
        shortNumber(value, this.array.dtype),
      );
      this.under = `x ${x}, y ${y}: ${values.join(", ")}`;
    },
    key(event) {
      const far = 40 * this.ratio();
      const does = {
        ArrowLeft: () => this.pan(far, 0),
        ArrowRight: () => this.pan(-far, 0),
        ArrowUp: () => this.pan(0, far),
        ArrowDown: () => this.pan(0, -far),
        "+": () => this.zoom(ZOOM),
        "=": () => this.zoom(ZOOM),
        "-": () => this.zoom(1 / ZOOM),
        0: () => this.fit(),
        1: () => this.place(this.ratio()),
      }[event.key];
      if (!does || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      does();
    },
    /** The plane that is shown, whole, as a PNG of its colours. */
    async png() {
      const { width, height } = this.picture;
      const canvas = document.createElement("canvas");
      Object.assign(canvas, { width, height });
      const pixels = new ImageData(width, height);
      paint(this.picture, this.plane(), { x: 0, y: 0, scale: 1 }, this.colours, pixels);
      canvas.getContext("2d").putImageData(pixels, 0, 0);
      return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
    },
    async save(event) {
      const kind = event.target.value;
      event.target.value = "";
      const name = (this.name || "picture").replace(/[^\p{L}\p{N}._ -]+/gu, "-");
      try {
        if (kind === "png") saveFile(await this.png(), `${name}.png`);
        else if (kind === "tiff") {
          saveFile(new Blob(toTiff(this.array, this.picture), { type: "image/tiff" }), `${name}.tiff`);
        } else if (kind === "npy") saveFile(new Blob(toNpy(this.array)), `${name}.npy`);
      } catch (error) {
        showSnackbar(`${name} could not be saved. ${error.message}`);
      }
    },
    async copy() {
      try {
        await navigator.clipboard.write([new ClipboardItem({ "image/png": this.png() })]);
        showSnackbar("The picture is on the clipboard.");
      } catch (error) {
        showSnackbar(`The picture could not be copied. ${error.message}`);
      }
    },
  },
  created() {
    this.auto();
  },
  mounted() {
    this.watching = new ResizeObserver(() => this.resize());
    this.watching.observe(this.$refs.canvas);
    this.resize();
  },
  beforeUnmount() {
    this.watching.disconnect();
    cancelAnimationFrame(this.frame);
    clearTimeout(this.settling);
  },
  template: `
    <figure class="value array picture">
      <figcaption><span class="tag">{{ array.dtype }}</span> {{ shape }}</figcaption>
      <div class="screen">
        <canvas ref="canvas" role="img" tabindex="0" :aria-label="'A picture, ' + shape" :aria-describedby="id + '-keys'"
          @wheel.prevent="wheel" @pointerdown="press" @pointerup="release" @pointercancel="release" @pointermove="moved"
          @pointerleave="left" @keydown="key" @dblclick="fit"></canvas>
        <div class="scale-bar" v-if="bar"><span :style="{ width: bar.pixels + 'px' }"></span>{{ bar.text }}</div>
        <output class="under">{{ under }}</output>
      </div>
      <p class="hidden" :id="id + '-keys'">Arrow keys move it, plus and minus zoom, 0 fits it, 1 shows every pixel.</p>
      <div class="controls">
        <label v-for="(axis, index) in picture.extra" :key="index" class="axis">
          <span>{{ axis.name }}</span>
          <input type="range" min="0" :max="axis.size - 1" :value="indices[index]" @input="moveTo(index, $event)" />
          <span class="quiet">{{ indices[index] + 1 }} of {{ axis.size }}</span>
        </label>
        <svg class="histogram" viewBox="0 0 256 40" preserveAspectRatio="none" role="img" aria-label="Histogram">
          <path :d="outline" />
          <line v-for="limit in [low, high]" :key="limit" y1="0" y2="40"
            :x1="256 * (limit - measured.min) / (measured.max - measured.min)"
            :x2="256 * (limit - measured.min) / (measured.max - measured.min)" />
        </svg>
        <label class="axis"><span>Darkest</span>
          <input type="range" :min="measured.min" :max="measured.max" :step="step" :value="low"
            @input="setLimit('low', $event)" /><span class="quiet">{{ shortNumber(low, "float") }}</span></label>
        <label class="axis"><span>Brightest</span>
          <input type="range" :min="measured.min" :max="measured.max" :step="step" :value="high"
            @input="setLimit('high', $event)" /><span class="quiet">{{ shortNumber(high, "float") }}</span></label>
        <div class="row">
          <button type="button" @click="auto">Auto contrast</button>
          <button type="button" @click="full">Full range</button>
          <button type="button" @click="fit">Fit</button>
          <button type="button" @click="place(ratio())">1 : 1</button>
          <label v-if="hasTables"><span class="hidden">Colours</span>
            <select v-model="table" @change="recolour"><option v-for="name in tableNames()" :key="name">{{ name }}</option></select>
          </label>
          <label><span class="hidden">Save</span>
            <select @change="save"><option value="">Save as…</option><option value="png">PNG, as shown</option>
              <option value="tiff">TIFF, the values</option><option value="npy">.npy, the values</option></select>
          </label>
          <button type="button" v-if="canCopy" @click="copy">Copy</button>
        </div>
      </div>
    </figure>
  `,
};
