// A dialog with plugins to choose from.

export const GalleryView = {
  props: { dialog: Object },
  emits: ["dismiss"],
  data: () => ({ wanted: "" }),
  computed: {
    shown() {
      const words = this.wanted.toLowerCase().split(/\s+/);
      return this.dialog.entries.filter(({ name, type, tags, description }) => {
        const text = [name, type, ...tags, description].join(" ").toLowerCase();
        return words.every((word) => text.includes(word));
      });
    },
  },
  template: `
    <div class="gallery">
      <h2>{{ dialog.title }}</h2>
      <label class="hidden" for="gallery-search">Search</label>
      <input id="gallery-search" type="search" v-model="wanted" placeholder="Search" autofocus />
      <ul class="examples">
        <li v-for="entry in shown" :key="entry.file" class="example">
          <div><strong>{{ entry.name }}</strong> <span class="tag">{{ entry.type }}</span>
            <span class="tag" v-for="tag in entry.tags" :key="tag">{{ tag }}</span>
            <p class="quiet">{{ entry.description }}</p></div>
          <button type="button" :aria-label="'Load ' + entry.name" @click="dialog.done(entry.file)">Load</button>
        </li>
        <li class="quiet none" v-if="!shown.length">None is like that.</li>
      </ul>
      <div class="actions"><button type="button" @click="$emit('dismiss')">Cancel</button></div>
    </div>
  `,
};
