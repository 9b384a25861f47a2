#!/usr/bin/env escript
%% gun_feed - Erlang's Gun receives a feed: its owner counts the messages that it is sent.
%% Run by foreign.ts once a round, where Erlang and Gun are installed (ERL_LIBS).
%% Usage: gun_feed.escript PORT PATH COMPRESS WARMUP_MS WINDOW_MS; `gun_feed.escript version` prints Gun's.
%% Prints its window as one line of JSON. Flow control is Gun's own default: none.
-mode(compile).

main(["version"]) ->
    ok = loaded(),
    {ok, Version} = application:get_key(gun, vsn),
    io:format("~s~n", [Version]);
main([Port, Path, Compress, Warmup, Window]) ->
    ok = loaded(),
    {ok, _} = application:ensure_all_started(gun),
    {Pid, Ref} = warm(list_to_integer(Port), Path, Compress =:= "true", list_to_integer(Warmup), 5),
    {_, _} = statistics(runtime),
    Start = now_ms(),
    Messages = count(Pid, Ref, 0, Start + list_to_integer(Window)),
    Elapsed = now_ms() - Start,
    {_, Cpu} = statistics(runtime),
    io:format("{\"messages\":~b,\"ms\":~b,\"cpuUs\":~b}~n", [Messages, Elapsed, Cpu * 1000]),
    halt(0).

%% Opens the feed, and reads for as long as the warm-up is. One connection in ten, whose first frames came right behind the
%% 101, is closed by Gun 1.3 at once: then another.
warm(_, _, _, _, 0) ->
    fail(gun_down);
warm(Port, Path, Compress, Warmup, Tries) ->
    {ok, Pid} = gun:open("127.0.0.1", Port, #{protocols => [http], retry => 0}),
    {ok, http} = gun:await_up(Pid),
    Ref = gun:ws_upgrade(Pid, Path, [], #{compress => Compress}),
    receive
        {gun_upgrade, Pid, Ref, _, _} -> ok;
        Other -> fail(Other)
    after 10000 -> fail(timeout)
    end,
    case count(Pid, Ref, 0, now_ms() + Warmup) of
        down -> warm(Port, Path, Compress, Warmup, Tries - 1);
        _ -> {Pid, Ref}
    end.

loaded() ->
    case application:load(gun) of
        ok -> ok;
        {error, Reason} -> fail(Reason)
    end.

%% The clock is looked at once in 256 messages.
count(Pid, Ref, N, End) when N band 255 =:= 255 ->
    case now_ms() >= End of
        true -> N;
        false -> next(Pid, Ref, N, End)
    end;
count(Pid, Ref, N, End) ->
    next(Pid, Ref, N, End).

next(Pid, Ref, N, End) ->
    receive
        {gun_ws, Pid, Ref, {_, Data}} when is_binary(Data) -> count(Pid, Ref, N + 1, End);
        {gun_down, Pid, _, _, _, _} when N < 256 -> down;
        Other -> fail(Other)
    after 10000 -> fail(timeout)
    end.

now_ms() ->
    erlang:monotonic_time(millisecond).

fail(Reason) ->
    io:format(standard_error, "gun: ~p~n", [Reason]),
    halt(1).
