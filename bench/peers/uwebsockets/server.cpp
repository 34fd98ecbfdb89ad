// uWebSockets: `/echo`, `/echo-deflate` (one compressor for all) and `/room/NAME`, a topic each.
// `cargo xtask bench --uwebsockets DIR` builds it from a copy with its submodule uSockets.
#include "App.h"

#include <cstdio>
#include <string>
#include <string_view>

struct Member {
    std::string room;
};

template <typename Data>
static uWS::App::WebSocketBehavior<Data> behavior(uWS::CompressOptions compression) {
    uWS::App::WebSocketBehavior<Data> behavior;
    behavior.compression = compression;
    behavior.maxPayloadLength = 4 << 20;
    behavior.maxBackpressure = 64 << 20;
    behavior.idleTimeout = 0;
    behavior.sendPingsAutomatically = false;
    return behavior;
}

int main() {
    uWS::App app;

    auto echo = behavior<Member>(uWS::DISABLED);
    echo.message = [](auto *socket, std::string_view message, uWS::OpCode code) {
        socket->send(message, code, false);
    };
    app.ws<Member>("/echo", std::move(echo));

    auto deflate = behavior<Member>(
        uWS::CompressOptions(uWS::SHARED_COMPRESSOR | uWS::SHARED_DECOMPRESSOR));
    deflate.message = [](auto *socket, std::string_view message, uWS::OpCode code) {
        socket->send(message, code, true);
    };
    app.ws<Member>("/echo-deflate", std::move(deflate));

    auto room = behavior<Member>(uWS::DISABLED);
    room.upgrade = [](auto *response, auto *request, auto *context) {
        response->template upgrade<Member>({std::string(request->getParameter(0))},
                                           request->getHeader("sec-websocket-key"),
                                           request->getHeader("sec-websocket-protocol"),
                                           request->getHeader("sec-websocket-extensions"), context);
    };
    room.open = [](auto *socket) { socket->subscribe(socket->getUserData()->room); };
    room.message = [&app](auto *socket, std::string_view message, uWS::OpCode code) {
        app.publish(socket->getUserData()->room, message, code);
    };
    app.ws<Member>("/room/:name", std::move(room));

    app.listen("127.0.0.1", 0, [](us_listen_socket_t *listener) {
        int port = us_socket_local_port(0, reinterpret_cast<us_socket_t *>(listener));
        std::printf("listening on 127.0.0.1:%d\n", port);
        std::fflush(stdout);
    });
    app.run();
}
