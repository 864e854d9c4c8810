// The engine plugin for other ImJoy apps. It needs the globals `api` (once it is asked) and `ImJoyEngine`.
/* exported ImJoyEnginePlugin */

const FACTORY = "ImJoy-Engine";
const DEFAULT_URL = globalThis.engineUrl || "http://127.0.0.1:8080";
const KEY = "engines";

/** @typedef {{name?: string, url: string, token: string}} SavedEngine */

class ImJoyEnginePlugin {
  /** What each engine is registered as, by its url. @type {Map<string, object[]>} */
  engines = new Map();

  async setup() {
    await api.register({
      type: "engine-factory",
      name: FACTORY,
      icon: "🚀",
      addEngine: (/** @type {Partial<SavedEngine>} */ config) => this.addEngine(config),
      removeEngine: (/** @type {SavedEngine} */ config) => this.removeEngine(config),
    });
    for (const saved of await this.remembered()) {
      try {
        await this.connect(saved);
      } catch (error) {
        api.showMessage(`${saved.url}: ${ImJoyEngine.messageOf(error)}`, 15);
      }
    }
  }

  async run() {
    await this.addEngine();
  }

  /**
   * Connect to an engine; asks for whatever is not given. Returns whether that was done.
   *
   * @param {Partial<SavedEngine>} [config]
   */
  async addEngine(config) {
    const given = config || {};
    const url = given.url || (await api.prompt("The engine's url (imjoy start prints it)", DEFAULT_URL));
    if (!url) return false;
    const token = given.token || (await api.prompt("Its connection token (this prints it: imjoy token)", ""));
    if (!token) return false;
    const engine = { name: given.name, url: ImJoyEngine.completeUrl(url), token: token.trim() };
    try {
      await this.connect(engine);
    } catch (error) {
      await api.alert(ImJoyEngine.messageOf(error));
      return false;
    }
    const others = (await this.remembered()).filter((other) => other.url !== engine.url);
    await api.setConfig(KEY, JSON.stringify([...others, engine]));
    api.showMessage(`Connected to the engine at ${engine.url}.`);
    return true;
  }

  /** @param {Pick<SavedEngine, "name" | "url">} engine */
  async removeEngine({ name, url }) {
    const engines = await this.remembered();
    const isThis = (/** @type {SavedEngine} */ engine) => engine.url === url || (name && engine.name === name);
    await api.setConfig(KEY, JSON.stringify(engines.filter((engine) => !isThis(engine))));
    for (const service of this.engines.get(url) || []) await api.unregister(service);
    this.engines.delete(url);
    return true;
  }

  /** @param {SavedEngine} engine */
  async connect({ name, url, token }) {
    const { engine, client } = ImJoyEngine.makeEngine({
      url,
      token,
      name,
      client: await this.clientId(),
      factory: FACTORY,
      announce: true,
    });
    await client.status();
    const files = ImJoyEngine.makeFileManager({ client, name: engine.name });
    this.engines.set(url, [
      { type: "engine", id: await api.register(engine), name: engine.name, url },
      { type: "file-manager", id: await api.register(files), name: files.name, url },
    ]);
  }

  /** @returns {Promise<SavedEngine[]>} */
  async remembered() {
    try {
      return JSON.parse(await api.getConfig(KEY)) || [];
    } catch {
      return [];
    }
  }

  async clientId() {
    let id = await api.getConfig("client");
    if (!id) {
      id = ImJoyEngine.newClientId();
      await api.setConfig("client", id);
    }
    return id;
  }
}
