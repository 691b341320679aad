"""A server that answers as slurmrestd does; prints its address, and runs until it is ended."""

import asyncio

from aiohttp import web

from scripts.benchmarks.queue import VERSION, answers


async def main() -> None:
    """Serve for ever."""
    content = answers()

    async def tell(request: web.Request) -> web.Response:
        body = content.get(request.match_info["path"])
        if body is None:
            raise web.HTTPNotFound
        return web.Response(body=body, content_type="application/json")

    app = web.Application()
    app.add_routes([web.get(f"/slurm/{VERSION}/{{path}}/", tell)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
