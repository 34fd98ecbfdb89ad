"""Autobahn's cases, by PyPI `kosoku`, with Omniwire as the server, over HTTP/1.1 and through a
bridge over HTTP/2, and as the client.

`run.py BINARY REPORTS [--all]`: without `--all` the selection of expected.toml. BINARY is the
release build of `omniwire`; REPORTS gets a page for each case and `report.md`. It fails if any
case is not what expected.toml says, or if one is missing.
"""

import asyncio
import contextlib
import sys
import time
import tomllib
from collections import Counter
from pathlib import Path

from bridge import bridge
from kosoku import FailureError, run_fuzzingclient, run_fuzzingserver
from kosoku._report import write_reports

EXPECTED = tomllib.loads(Path(__file__).with_name("expected.toml").read_text())
START_LIMIT_S = 20
# The client runs its cases one by one; some are bound to wait.
RUN_LIMIT_S = 5400


async def as_server(binary, include, across=contextlib.nullcontext):
    """Cases against our echo server; as many at a time as it takes to keep two cores busy.
    `across`: what to cross on the way to it."""
    arguments = ["conformance", "--suite", "websocket", "--port", "0"]
    server = await asyncio.create_subprocess_exec(
        binary, *arguments, stdout=asyncio.subprocess.PIPE
    )
    try:
        line = await asyncio.wait_for(server.stdout.readline(), START_LIMIT_S)
        address = line.decode().removeprefix("listening on ").strip()
        host, port = address.rsplit(":", 1)
        async with across((host, port)) as (host, port):
            url = f"{host}:{port}"
            return await results_of(run_fuzzingclient(url, include, [], concurrency=4))
    finally:
        server.terminate()
        await server.wait()


async def as_server_over_http2(binary, include):
    return await as_server(binary, include, bridge)


async def as_client(binary, include):
    """The fuzzing server's cases against our client."""
    async with run_fuzzingserver(include, [], host="127.0.0.1", port=0) as fuzzing:
        url = f"ws://{fuzzing.address}:{fuzzing.port}"
        arguments = ["conformance-client", "autobahn", "--url", url]
        client = await asyncio.create_subprocess_exec(binary, *arguments)
        try:
            return await results_of(fuzzing.get_result())
        finally:
            if client.returncode is None:
                client.terminate()
            await client.wait()


async def results_of(run):
    """All results; kosoku raises an error that holds them if any case failed."""
    try:
        return await asyncio.wait_for(run, RUN_LIMIT_S)
    except FailureError as failure:
        return failure.results


def verdicts(result):
    return result.behavior.value, result.behavior_close.value


def unexpected(results, count):
    """A line for each case that is not as expected."""
    informational = EXPECTED["all"]["informational"]
    for result in results:
        # The close of these cases may be any.
        is_informational = result.case_id in informational
        wanted = "INFORMATIONAL" if is_informational else "OK"
        behavior, close = verdicts(result)
        if behavior != wanted or not (close == "OK" or is_informational):
            yield f"{result.case_id}: {behavior}, close {close}: {result.result}"
    cases = {result.case_id for result in results}
    if len(cases) != count:
        yield f"{len(cases)} cases have a result, {count} should have one"


def report(role, results, findings, seconds):
    """A table by group, and what is not as expected."""
    groups = {}
    for result in results:
        group = result.case_id.split(".")[0]
        groups.setdefault(group, Counter())[result.behavior.value] += 1
    lines = [f"## As a {role}: {len(results)} cases in {seconds:.0f} s", ""]
    lines += ["| group | cases | OK | informational | other |", "|---|---|---|---|---|"]
    for group, counts in sorted(groups.items(), key=lambda item: int(item[0])):
        ok, informational = counts["OK"], counts["INFORMATIONAL"]
        other = counts.total() - ok - informational
        lines.append(f"| {group} | {counts.total()} | {ok} | {informational} | {other} |")
    lines += ["", *(f"- {finding}" for finding in findings or ["all as expected"]), ""]
    return "\n".join(lines)


async def main(binary, reports, everything):
    selected = EXPECTED["selection"]
    selections = {"server": selected, "server over HTTP/2": selected["http2"], "client": selected}
    reports = Path(reports)
    pages, failed = ["# Autobahn's cases by kosoku\n"], False
    roles = [("server", as_server), ("server over HTTP/2", as_server_over_http2)]
    for role, run in [*roles, ("client", as_client)]:
        started = time.monotonic()
        selection = {**EXPECTED["all"], "include": None} if everything else selections[role]
        count = selection["cases"]
        results = await run(binary, selection["include"])
        findings = list(unexpected(results, count))
        failed = failed or bool(findings)
        pages.append(report(role, results, findings, time.monotonic() - started))
        print(pages[-1], flush=True)
        if results:
            write_reports(results, str(reports / role.replace("/", "")))
    reports.mkdir(parents=True, exist_ok=True)
    (reports / "report.md").write_text("\n".join(pages))
    print(f"the report: {reports / 'report.md'}")
    return failed


if __name__ == "__main__":
    binary, reports, *options = sys.argv[1:]
    sys.exit(asyncio.run(main(binary, reports, "--all" in options)))
