// What the page's modules are given: the libraries' globals, and the shapes that they pass on.

import type { Part as FormPart } from "./imjoy_engine/webapp/static/app/plugins/fields.js";
import type { Rectangle, Part as Layout, Side } from "./imjoy_engine/webapp/static/app/layout/layout.js";
import type { EngineClient } from "./imjoy_engine/webapp/static/engine/client.js";
import type { EngineError } from "./imjoy_engine/webapp/static/engine/errors.js";
import type { FileManager } from "./imjoy_engine/webapp/static/engine/files.js";

declare global {
    var imjoyRPC: any;
    /** The app that an engine plugin runs in, once it is asked. */
    var api: OtherApp;
    var ImJoyEngine: typeof import("./imjoy_engine/webapp/static/engine/index.js");
    /** Where the frame of the engine plugin is served from. */
    var engineUrl: string | undefined;
    var imjoyCore: { ImJoy: new (options: object) => ImJoy };
    var Vue: typeof import("@vue/runtime-dom");
    var MessagePack: {
        encode(value: unknown, options?: { ignoreUndefined?: boolean }): Uint8Array<ArrayBuffer>;
        decode(bytes: Uint8Array): unknown;
        ExtData: new (type: number, data: Uint8Array) => { type: number; data: Uint8Array };
    };

    type Resource = "cpus" | "gpus" | "memory" | "time";
    /** As a plugin's config and a person ask for them. */
    type Resources = Partial<Record<Resource, string | number>>;
    /** The cluster that plugins run on; amounts in bytes and seconds. */
    interface Cluster {
        name: string;
        default: Partial<Record<Resource, number>>;
        maximum: Partial<Record<Resource, number>>;
    }

    /** What `docs/errors.md` lists. */
    interface Problem {
        id?: string;
        what: string;
        why?: string;
        fix?: string;
        output?: string;
    }

    /** A plugin as the engine tells of it: `Plugin` of openapi.yaml. */
    interface PluginRecord {
        id: string;
        name: string;
        state: string;
        pid: number | null;
        clients: number;
        exit_code: number | null;
        signal: string | null;
        error: Problem | null;
        /** Whether it ran already when it was asked for. */
        attached?: boolean;
        /** Whether a call of before the page was reloaded goes on in it. */
        resumed?: boolean;
        /** the seconds for which it would hold one; 0 or nothing where the engine does not */
        holds?: number;
        /** which one of those that were asked for does */
        call?: string | null;
        /** whether one of them is another client's, which is there */
        elsewhere?: boolean;
        /** why one of them ended, where the engine knows */
        lost?: Problem | null;
        /** the ids of all that were asked for, where they go on */
        calls?: string[];
        /** the id of the last event that was heard of it */
        after?: string;
        place?: JobStatus | null;
        /** seconds since the epoch at which it came into its state */
        since: number;
    }

    /** `Status` of openapi.yaml. */
    interface EngineStatus {
        version: string;
        url: string;
        workspace: string;
        command: string;
        uptime: number;
        memory: number;
        /** what can be asked of the cluster that plugins run on */
        cluster: Cluster | null;
        plugins: PluginRecord[];
        /** of this start of the engine */
        instance: string;
        /** the names of the environments of the person's that plugins may run in */
        existing_environments?: string[];
    }

    /** `Entry` of openapi.yaml. */
    interface FileEntry {
        name: string;
        path: string;
        type: "file" | "folder";
        size: number;
        modified: number;
    }

    /** Where on a cluster a plugin runs, or waits to. */
    interface JobStatus {
        cluster: string;
        node?: string;
        gpus?: string;
        state?: string;
        why?: string;
        /** seconds since the epoch, as they are expected */
        starts?: number;
        ends?: number;
    }

    /** What a person allowed a web plugin. */
    interface Grant {
        identity: string;
        kind: string;
        name: string;
    }

    interface WantedFile {
        path: string;
        /** the folder of an upload */
        dir?: string;
        /** seconds for which a url is good */
        expires?: number;
    }

    /** A plugin as an app hands it over; an app adds functions and its own bookkeeping. */
    interface PluginConfig {
        id?: string;
        name: string;
        tag?: string;
        workspace?: string;
        /** the plugin's file; apps of old hand over its script alone */
        code?: string;
        script?: string;
    }

    /** The functions that an app offers to a plugin. */
    interface AppApi {
        showMessage?(text: string, seconds: number): void;
    }

    interface PluginUtils {
        setPluginStatus?(status: { running: boolean }): void;
        terminatePlugin?(): void;
    }

    /** The calls of a plugin that go on over a reload. */
    interface HeldCalls {
        /** of the calls of before the reload, by their ids */
        outcomes: Map<string, Promise<unknown>>;
        /** Have the outcome of one kept no longer. */
        confirm(call: string): void;
    }

    /** Who hears of what becomes of an engine and its plugins. */
    interface Observer {
        onStart?(plugin: PluginRecord, config: PluginConfig, calls: HeldCalls): void;
        onState?(plugin: PluginRecord, config: PluginConfig): void;
        onProgress?(plugin: PluginRecord, progress: Progress, config: PluginConfig): void;
        onLog?(plugin: PluginRecord, log: LogEvent, config: PluginConfig): void;
        /** Returns what tells later whether it is still wanted. */
        onBegin?(config: PluginConfig): () => boolean;
        /** That its connection broke while calls go on; returns whether it is begun again for them. */
        onDrop?(plugin: PluginRecord, config: PluginConfig): boolean;
        /** That the calls were gone for which it was to be taken over; returns whether it is to begin anew. */
        onMiss?(plugin: PluginRecord, config: PluginConfig): boolean;
        /** `plugin` is null for one that did not start, `error` where we left it. */
        onEnd?(plugin: PluginRecord | null, error: Error | null, config: PluginConfig): void;
        onStatus?(status: EngineStatus | null, error: EngineError | Error | null): void;
    }

    interface EngineOptions {
        url: string;
        token: string;
        /** an id that this browser keeps */
        client: string;
        name?: string;
        /** the name of the engine factory that made it */
        factory?: string;
        workspace?: string;
        observer?: Observer;
        /** throws for a plugin that may not start */
        permit?(config: PluginConfig): Promise<void> | void;
        /** where a plugin is to run, as fields of `PluginRequest` of openapi.yaml */
        choose?(config: PluginConfig): object;
        /** the ids of the calls of a plugin of before the page was reloaded */
        resuming?(name: string): string[];
        /** whether the app is told what failed, as it tells nobody itself */
        announce?: boolean;
    }

    /** How far the environment of a plugin is: an event of docs/protocol.md. */
    interface Progress {
        text: string;
        /** of 1; null where it is not known */
        fraction: number | null;
    }

    /** What a plugin, or the engine about it, wrote: an event of docs/protocol.md. */
    interface LogEvent {
        stream: string;
        text: string;
        /** seconds since the epoch */
        time: number;
    }

    /** One of the engine's own log. */
    interface LogRecord {
        /** seconds since the epoch */
        time: number;
        level: string;
        text: string;
        traceback?: string;
    }

    // --- imjoy-core, as far as the page uses it ------------------------------------------------------------------

    /** The config in a plugin's file, as imjoy-core reads it, and what the page keeps with it. */
    interface PluginTemplate extends PluginConfig {
        type: string;
        version?: string;
        description?: string;
        api_version?: string;
        tags?: string[];
        flags?: string[];
        ui?: unknown;
        env?: unknown;
        resources?: unknown;
        where?: unknown;
        origin?: string;
        base_frame?: string;
        base_worker?: string;
        /** under which the engine keeps it, and when it was loaded, in milliseconds */
        key?: string;
        loaded?: number;
    }

    /** What a plugin handed over: its functions, and values. */
    type Remote = Record<string, any>;

    /** A plugin that imjoy-core has begun. */
    interface CorePlugin {
        id: string;
        name: string;
        type: string;
        config: PluginTemplate;
        api?: Remote;
        running?: boolean;
        /** the engine that it runs on, for a native one */
        engine?: { url: string } | null;
    }

    /** A window as imjoy-core announces it. */
    interface CoreWindow {
        window_id: string;
        type: string;
        name?: string;
        dialog?: boolean;
        data?: any;
        config?: unknown;
        api: { show?: () => void; emit(event: string): void };
        show?: () => void;
        close(): Promise<void> | void;
    }

    /** What a plugin asks for: a plugin, a window, a service, by a name or a source. */
    interface Wanted {
        id?: string;
        name?: string;
        type?: string;
        tag?: string;
        src?: string;
        uri?: string;
        title?: string;
        hot_reloading?: boolean;
        ui?: unknown;
        fields?: unknown;
        schema?: unknown;
        [more: string]: unknown;
    }

    /** What a plugin registered for others. */
    interface Service {
        providerId: string;
        name: string;
        type?: string;
        ui?: unknown;
        run?: (context: object) => unknown;
    }

    /** One function of the plugin API; imjoy-core puts the plugin that calls before the arguments. */
    type ApiFunction = (plugin: CorePlugin, ...args: any[]) => any;

    /** imjoy-core's side of the plugin API. */
    type CoreApi = Record<string, ApiFunction> & { utils: Record<string, ApiFunction> };

    interface PluginManager {
        imjoy_api: CoreApi;
        internal_plugins: object;
        selected_workspace: string;
        plugins: Record<string, CorePlugin>;
        plugin_names: Record<string, CorePlugin>;
        service_registry: Record<string, Service>;
        registered: { windows: Record<string, unknown> };
        db: { allDocs(options: object): Promise<{ rows: { doc: KeptPlugin & { _id: string } }[] }> };
        parsePluginCode(code: string, more?: object): PluginTemplate;
        validatePluginConfig(config: PluginTemplate): void;
        getPluginFromUrl(url: string): Promise<PluginTemplate>;
        loadWorkspace(name: string): Promise<void>;
        reloadPlugin(plugin: object): Promise<CorePlugin>;
        unloadPlugin(plugin: { name: string }, forced?: boolean): void;
        registerService(plugin: CorePlugin, service: object): unknown;
        createWindow(plugin: CorePlugin | null, wanted: object | string, more?: object): Promise<unknown>;
    }

    interface ImJoy {
        pm: PluginManager;
        em: { register(engine: object): Promise<void>; unregister(engine: object): Promise<void> };
        fm: { register(files: object): Promise<void>; unregister(files: object): void };
        event_bus: { on(event: string, handler: (window: CoreWindow) => void): void; off(event: string): void };
        init(): Promise<void>;
    }

    /** What another ImJoy app offers to the engine plugin. */
    interface OtherApp {
        register(service: object): Promise<string>;
        unregister(service: object): Promise<void>;
        alert(text: string): Promise<void>;
        prompt(text: string, initial: string): Promise<string | null>;
        showMessage(text: string, seconds?: number): void;
        getConfig(name: string): Promise<string>;
        setConfig(name: string, value: string): Promise<void>;
        export(plugin: object): void;
    }

    // --- what the page shows -------------------------------------------------------------------------------------

    /** A plugin as the engine keeps it for a workspace. */
    interface KeptPlugin {
        key?: string;
        code: string;
        tag?: string;
        origin?: string;
        /** when it was loaded, in milliseconds */
        loaded?: number;
    }

    /** A plugin as browsers kept it before engines did. */
    interface FormerPlugin extends KeptPlugin {
        name: string;
    }

    /** The file of its workspace that a plugin was loaded from. */
    interface KeptFile {
        path: string;
        isWatched: boolean;
    }

    /** What a plugin registered to be run beside its own `run`. */
    interface Operation {
        name: string;
        ui?: unknown;
        run(context: object): unknown;
    }

    /** A plugin on the page. */
    /** A run that goes on over a reload of the page. */
    interface HeldRun {
        call: string;
        op: string | undefined;
        /** milliseconds since the epoch */
        begun: number;
    }

    interface Card {
        name: string;
        version: string;
        description: string;
        type: string;
        tag: string;
        isNative: boolean;
        template: PluginTemplate;
        /** imjoy-core's, while it runs */
        plugin: CorePlugin | null;
        state: string;
        engineId: string;
        engineUrl: string;
        attached: boolean;
        progress: Progress | null;
        place: JobStatus | null;
        since: number;
        percent: number | null;
        /** what it says of its work */
        status: string;
        running: boolean;
        /** how many runs go on */
        runs: number;
        /** those that go on over a reload */
        held: HeldRun[];
        /** whether its engine holds runs */
        holds: boolean;
        /** what they are to its engine, once it has begun there */
        calls: HeldCalls | null;
        /** a number that changes when it is stopped or begins anew */
        life: number;
        /** how often it was stopped */
        stops: number;
        canRun: boolean;
        ops: Operation[];
        file: KeptFile | null;
        /** where a person wants it to run; null for what it asks for */
        environment: string | null;
        anyway: boolean;
        resources: Resources | null;
        error: Problem | null;
        /** ends the wait for it to start */
        fail: ((reason: unknown) => void) | null;
        endedAt: number;
    }

    /** What a run returned, and a file that was opened, as plugins get it. */
    interface Shown {
        result: any;
        input?: object;
    }

    interface OutputEntry {
        /** text for one of an earlier visit */
        id: number | string;
        time: Date;
        plugin: string;
        kind: "result" | "input" | "message" | "error";
        op?: string;
        text?: string;
        error?: Problem | null;
        value?: Shown;
        seconds?: number;
    }

    interface LogLine {
        /** text for one of an earlier visit */
        id: number | string;
        plugin: string;
        /** `stdout`, `stderr`, `engine` or `app` */
        stream: string;
        /** milliseconds since the epoch */
        time: number;
        text: string;
    }

    /** The text of an editor, as it is on the page. */
    interface Code {
        replace(text: string): void;
        focus(): void;
        close(): void;
    }

    /** A plugin's file that is written here. */
    interface Editor {
        kind: "editor";
        file: string;
        text: string;
        lineEnd: string;
        /** what the file holds, where that is known */
        kept: string | null;
        note: string;
        code: Code | null;
        isStarting: boolean;
        window?: OwnWindow;
    }

    /** A window of the page's own. */
    interface OwnWindow {
        show(): void;
        close(): Promise<void>;
    }

    /** What a window shows that is no plugin's frame. */
    type WindowContent = Editor | { kind: "image"; src: string } | { kind: "value"; value: object };

    interface WindowShown {
        id: string;
        /** by which it has its place */
        name: string;
        title: string;
        isDialog: boolean;
        content: WindowContent | null;
        window: CoreWindow | OwnWindow;
    }

    /** What each kind of dialog is given, and what it is answered with. */
    interface Questions {
        alert: [{ title: string; text: string }, boolean];
        confirm: [{ title: string; text: string; action?: string }, boolean];
        prompt: [{ title: string; text: string; initial: string; action?: string }, string];
        form: [{ title: string; parts: FormPart[]; action: string }, Record<string, any>];
        files: [FileQuestion, any[]];
        gallery: [{ title: string; examples: Example[] }, Example];
        about: [{ title: string; card: Card }, boolean];
        doctor: [{ title: string }, boolean];
        "engine-log": [{ title: string }, boolean];
        token: [{ title: string }, boolean];
        autostart: [{ title: string }, boolean];
        upgrade: [{ title: string }, boolean];
    }

    interface FileQuestion {
        title: string;
        root: string;
        /** `file`, `directory` or `any` */
        wanted: string;
        multiple: boolean;
        files: FileManager;
        /** whether files of this computer may be chosen, too */
        takesOthers?: boolean;
    }

    /** A dialog that is open: its kind, its question, and what takes the answer, null where it is dismissed. */
    interface Dialog<K extends keyof Questions = keyof Questions> {
        id: number;
        kind: K;
        /** the plugin that asks */
        asker?: string;
        done(answer: Questions[K][1] | null): void;
        title: string;
        text?: string;
        initial?: string;
        action?: string;
        parts?: FormPart[];
    }

    /** A plugin to choose from: of the examples (`file`), or of a public list (`uri`). */
    interface Example {
        file?: string;
        uri?: string;
        name: string;
        type: string;
        description: string;
        tags: string[];
    }

    /** The list of public plugins as the engine has it. */
    interface PublicList {
        url: string;
        /** seconds since the epoch; 0 where there never was one */
        time: number;
        /** why it is not of now */
        why: string;
        plugins: Example[];
    }

    /** What a view is given: the type of a property that JavaScript knows as an object alone. */
    type PropType<T> = import("@vue/runtime-dom").PropType<T>;

    type Phase = "starting" | "disconnected" | "connecting" | "connected" | "lost";

    interface OtherEngine {
        url: string;
        phase: Phase;
        error: Problem | null;
    }

    /** Where a floating window lies, in pixels, and how far in front. */
    interface Float extends Rectangle {
        order: number;
    }

    interface PageState {
        engine: { phase: Phase; status: EngineStatus | null; error: Problem | null };
        /** what a person types for `imjoy` where the engine was started */
        command: string;
        others: OtherEngine[];
        /** the url of the engine that plugins are started on */
        preferred: string;
        plugins: Card[];
        /** what the person allowed web plugins */
        grants: Grant[];
        output: OutputEntry[];
        log: LogLine[];
        windows: WindowShown[];
        dialogs: Dialog[];
        snackbar: string | null;
        /** the name of the workspace that is open */
        workspace: string;
        /** the names of all of them */
        workspaces: string[];
        /** the name of the view that was brought to the front last */
        view: string;
        layout: Layout;
        /** the windows that float, by name */
        floats: Record<string, Float>;
        /** the view that has the whole page */
        maximised: string | null;
        /** the tab that is being dragged, and where it would fall */
        dragged: {
            name: string;
            target: { pane: import("./imjoy_engine/webapp/static/app/layout/layout.js").Pane; side: Side; rectangle: Rectangle } | null;
        } | null;
        loadError: Problem | null;
        loading: boolean;
        /** of several files the one that is taken now */
        taking: { name: string; number: number; count: number } | null;
        /** whether something is held over the page that could be dropped */
        dropping: boolean;
    }

    // --- arrays and pictures -------------------------------------------------------------------------------------

    type Numbers =
        | Int8Array<ArrayBuffer>
        | Uint8Array<ArrayBuffer>
        | Uint8ClampedArray<ArrayBuffer>
        | Int16Array<ArrayBuffer>
        | Uint16Array<ArrayBuffer>
        | Int32Array<ArrayBuffer>
        | Uint32Array<ArrayBuffer>
        | Float32Array<ArrayBuffer>
        | Float64Array<ArrayBuffer>;
    type Items = Numbers | BigInt64Array<ArrayBuffer> | BigUint64Array<ArrayBuffer>;

    /** An array whose values can be read. */
    interface TypedArrayOf {
        dtype: string;
        shape: number[];
        items: Items;
    }

    /** What is told of an array beside its values. */
    interface Hints {
        axes?: string;
        /** of a pixel's width, in `unit` */
        pixelSize?: number;
        unit?: string;
    }
}
