// What the page's modules are given: the libraries' globals, and the shapes that they pass on.

import type { EngineError } from "./imjoy_engine/webapp/static/engine/errors.js";

declare global {
    var imjoyRPC: any;
    var imjoyCore: any;
    var Vue: any;
    var MessagePack: {
        encode(value: unknown, options?: { ignoreUndefined?: boolean }): Uint8Array<ArrayBuffer>;
        decode(bytes: Uint8Array): unknown;
        ExtData: new (type: number, data: Uint8Array) => { type: number; data: Uint8Array };
    };

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
        cluster: import("./imjoy_engine/webapp/static/app/resources.js").Cluster | null;
        plugins: PluginRecord[];
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
    interface Place {
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

    /** Who hears of what becomes of an engine and its plugins. */
    interface Observer {
        onStart?(plugin: PluginRecord, config: PluginConfig): void;
        onState?(plugin: PluginRecord, config: PluginConfig): void;
        onProgress?(plugin: PluginRecord, progress: any, config: PluginConfig): void;
        onLog?(plugin: PluginRecord, log: any, config: PluginConfig): void;
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
        /** whether the app is told what failed, as it tells nobody itself */
        announce?: boolean;
    }
}
