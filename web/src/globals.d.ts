/** Versions of the official clients in this bundle, read off their packages by vite.config.js. */
declare const __SOCKETIO_VERSION__: string;
declare const __SIGNALR_VERSION__: string;
declare const __SOCKJS_VERSION__: string;
