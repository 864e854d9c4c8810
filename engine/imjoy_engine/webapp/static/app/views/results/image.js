// An array as a picture: contrast, colours, planes, zoom to the pixel, the value under the cursor, and files of it.

import { messageOf } from "../../../engine/errors.js";
import { saveFile } from "../../results/save_file.js";
import { toNpy, toTiff } from "../../images/formats.js";
import {
  colouring,
  contextOf,
  measure,
  paint,
  pictureOf,
  scaleBar,
  shortNumber,
  TABLE_NAMES,
} from "../../images/picture.js";
import { showSnackbar } from "../../model/state.js";
import { elementOf, emptyField, textIn } from "../controls/elements.js";

const { markRaw } = Vue;
const MAX_SCALE = 64;
const ZOOM = 1.25;
const SETTLED_MILLISECONDS = 120;
const BAR_PIXELS = 140;
let lastId = 0;

/**
 * What a picture's view has at hand without the page being drawn anew for it. `frame` is of the animation, 0 for none.
 *
 * @typedef {object} Unreactive
 * @property {import("../../images/picture.js").Colours} colours
 * @property {ImageData | null} pixels
 * @property {number} frame
 * @property {ReturnType<typeof setTimeout> | undefined} settling
 * @property {[x: number, y: number] | null} grabbed where the picture is held
 * @property {[x: number, y: number] | null} pointer where the cursor is
 * @property {ResizeObserver | null} watching
 */

/** @returns {Unreactive} */
const unreactive = () => ({
  colours: colouring({ dtype: "", low: 0, high: 1, name: "grey" }),
  pixels: null,
  frame: 0,
  settling: undefined,
  grabbed: null,
  pointer: null,
  watching: null,
});

/**
 * A canvas as a file. Throws where it is larger than the browser can write.
 *
 * @param {HTMLCanvasElement} canvas
 * @returns {Promise<Blob>}
 */
const pngOf = (canvas) =>
  new Promise((resolve, reject) =>
    canvas.toBlob((file) => (file ? resolve(file) : reject(new Error("It is too large for a PNG."))), "image/png"),
  );

export const ImageView = Vue.defineComponent({
  /** `array` is {dtype, shape, items}; `hints` may have axes, pixelSize and unit; `name` is what a file of it is called. */
  props: {
    array: { type: /** @type {PropType<TypedArrayOf>} */ (Object), required: true },
    hints: { type: /** @type {PropType<Hints>} */ (Object), default: () => ({}) },
    name: String,
  },
  setup: () => ({ now: markRaw(unreactive()) }),
  data() {
    const picture = pictureOf(this.array, this.hints);
    if (!picture) throw new TypeError("That array is not a picture.");
    return {
      id: `picture-${++lastId}`,
      picture: markRaw(picture),
      indices: picture.extra.map(({ size }) => Math.floor((size - 1) / 2)),
      table: "grey",
      low: 0,
      high: 1,
      measured: markRaw(measure(new Uint8Array(), this.array.dtype)),
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
      const at = (/** @type {number} */ bin) => ((256 * bin) / heights.length).toFixed(2);
      const steps = heights.map((y, bin) => `L${at(bin)} ${y.toFixed(1)} L${at(bin + 1)} ${y.toFixed(1)}`);
      return `M0 40 ${steps.join(" ")} L256 40 Z`;
    },
    bar() {
      const { pixelSize = 0, unit } = this.hints || {};
      if (!(pixelSize > 0)) return null;
      const ratio = this.ratio();
      const { length, pixels } = scaleBar(pixelSize, this.view.scale / ratio, BAR_PIXELS);
      return { text: `${length} ${unit || "px"}`, pixels };
    },
    canCopy: () => "write" in (navigator.clipboard || {}) && "ClipboardItem" in window,
  },
  methods: {
    shortNumber,
    tableNames: () => TABLE_NAMES,
    ratio: () => window.devicePixelRatio || 1,
    canvas() {
      const canvas = elementOf(this.$refs, "canvas", HTMLCanvasElement);
      if (!canvas) throw new Error("The picture is not on the page.");
      return canvas;
    },
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
      this.now.colours = colouring({ dtype: this.array.dtype, low: this.low, high: this.high, name: this.table });
      this.draw();
    },
    /** @param {"low" | "high"} which @param {Event} event */
    setLimit(which, event) {
      this[which] = Number(textIn(event));
      if (this.low > this.high) this[which === "low" ? "high" : "low"] = this[which];
      this.recolour();
    },
    /** @param {number} axis @param {Event} event */
    moveTo(axis, event) {
      this.indices[axis] = Number(textIn(event));
      this.measureNow();
      this.draw();
    },
    /** Paint at the next frame; averages follow once nothing has moved for a moment. */
    draw() {
      this.now.frame ||= requestAnimationFrame(() => {
        this.now.frame = 0;
        this.paintNow(false);
        clearTimeout(this.now.settling);
        if (this.view.scale <= 0.5) this.now.settling = setTimeout(() => this.paintNow(true), SETTLED_MILLISECONDS);
      });
    },
    /** @param {boolean} mean whether to average where the picture is made smaller */
    paintNow(mean) {
      const canvas = elementOf(this.$refs, "canvas", HTMLCanvasElement);
      if (!canvas?.width) return;
      const context = contextOf(canvas);
      let { pixels } = this.now;
      if (pixels?.width !== canvas.width || pixels.height !== canvas.height) {
        pixels = this.now.pixels = context.createImageData(canvas.width, canvas.height);
      }
      paint(this.picture, this.plane(), this.view, this.now.colours, pixels, mean);
      context.putImageData(pixels, 0, 0);
      this.tell();
    },
    resize() {
      const canvas = this.canvas();
      const { width, height } = canvas.getBoundingClientRect();
      if (!width || !height) return;
      canvas.width = Math.round(width * this.ratio());
      canvas.height = Math.round(height * this.ratio());
      if (this.fits) this.fit();
      else this.draw();
    },
    fit() {
      const { width, height } = this.canvas();
      const scale = Math.min(width / this.picture.width, height / this.picture.height, MAX_SCALE);
      this.place(scale);
      this.fits = true;
    },
    /** Show the middle of the picture at `scale`. */
    place(/** @type {number} */ scale) {
      const { width, height } = this.canvas();
      this.view = {
        scale,
        x: this.picture.width / 2 - width / scale / 2,
        y: this.picture.height / 2 - height / scale / 2,
      };
      this.fits = false;
      this.draw();
    },
    /**
     * Zoom by `factor`; what is at a point of the canvas stays there.
     *
     * @param {number} factor
     * @param {[x: number, y: number]} [point] the middle
     */
    zoom(factor, point) {
      const canvas = this.canvas();
      const [x, y] = point || [canvas.width / 2, canvas.height / 2];
      const smallest = Math.min(1, canvas.width / this.picture.width, canvas.height / this.picture.height) / 2;
      const scale = Math.min(MAX_SCALE, Math.max(smallest, this.view.scale * factor));
      this.view = {
        scale,
        x: this.view.x + x / this.view.scale - x / scale,
        y: this.view.y + y / this.view.scale - y / scale,
      };
      this.fits = false;
      this.draw();
    },
    /** @param {number} dx @param {number} dy */
    pan(dx, dy) {
      this.view = { ...this.view, x: this.view.x - dx / this.view.scale, y: this.view.y - dy / this.view.scale };
      this.fits = false;
      this.draw();
    },
    /**
     * Where an event is, in pixels of the canvas.
     *
     * @param {MouseEvent} event
     * @returns {[x: number, y: number]}
     */
    at(event) {
      const box = this.canvas().getBoundingClientRect();
      return [(event.clientX - box.left) * this.ratio(), (event.clientY - box.top) * this.ratio()];
    },
    /** @param {WheelEvent} event */
    wheel(event) {
      this.zoom(event.deltaY < 0 ? ZOOM : 1 / ZOOM, this.at(event));
    },
    /** @param {PointerEvent} event */
    press(event) {
      this.canvas().setPointerCapture(event.pointerId);
      this.now.grabbed = this.at(event);
    },
    release() {
      this.now.grabbed = null;
    },
    /** @param {PointerEvent} event */
    moved(event) {
      const { grabbed } = this.now;
      const [x, y] = this.at(event);
      if (grabbed) {
        this.pan(x - grabbed[0], y - grabbed[1]);
        this.now.grabbed = [x, y];
      }
      this.now.pointer = [x, y];
      this.tell();
    },
    left() {
      this.now.pointer = null;
      this.under = "";
    },
    /** Tell the value under the cursor, which may rest while the picture moves. */
    tell() {
      const { pointer } = this.now;
      if (!pointer) return;
      const x = Math.floor(this.view.x + pointer[0] / this.view.scale);
      const y = Math.floor(this.view.y + pointer[1] / this.view.scale);
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
    /** @param {KeyboardEvent} event */
    key(event) {
      const step = 40 * this.ratio();
      /** @type {Record<string, () => void>} */
      const actions = {
        ArrowLeft: () => this.pan(step, 0),
        ArrowRight: () => this.pan(-step, 0),
        ArrowUp: () => this.pan(0, step),
        ArrowDown: () => this.pan(0, -step),
        "+": () => this.zoom(ZOOM),
        "=": () => this.zoom(ZOOM),
        "-": () => this.zoom(1 / ZOOM),
        0: () => this.fit(),
        1: () => this.place(this.ratio()),
      };
      const action = actions[event.key];
      if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      action();
    },
    /** The plane that is shown, whole, as a PNG of its colours. */
    png() {
      const { width, height } = this.picture;
      const canvas = document.createElement("canvas");
      Object.assign(canvas, { width, height });
      const pixels = new ImageData(width, height);
      paint(this.picture, this.plane(), { x: 0, y: 0, scale: 1 }, this.now.colours, pixels);
      contextOf(canvas).putImageData(pixels, 0, 0);
      return pngOf(canvas);
    },
    /** @param {Event} event */
    async save(event) {
      const kind = textIn(event);
      emptyField(event);
      const name = (this.name || "picture").replace(/[^\p{L}\p{N}._ -]+/gu, "-");
      try {
        if (kind === "png") saveFile(await this.png(), `${name}.png`);
        else if (kind === "tiff") {
          saveFile(new Blob(toTiff(this.array, this.picture), { type: "image/tiff" }), `${name}.tiff`);
        } else if (kind === "npy") saveFile(new Blob(toNpy(this.array)), `${name}.npy`);
      } catch (error) {
        showSnackbar(`${name} could not be saved. ${messageOf(error)}`);
      }
    },
    async copy() {
      try {
        await navigator.clipboard.write([new ClipboardItem({ "image/png": this.png() })]);
        showSnackbar("The picture is on the clipboard.");
      } catch (error) {
        showSnackbar(`The picture could not be copied. ${messageOf(error)}`);
      }
    },
  },
  created() {
    this.auto();
  },
  mounted() {
    this.now.watching = new ResizeObserver(() => this.resize());
    this.now.watching.observe(this.canvas());
    this.resize();
  },
  beforeUnmount() {
    this.now.watching?.disconnect();
    cancelAnimationFrame(this.now.frame);
    clearTimeout(this.now.settling);
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
});
