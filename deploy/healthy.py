"""Exit with status 0 if the web server of this container answers, for HEALTHCHECK."""

import http.client
import os

web = http.client.HTTPConnection("127.0.0.1", int(os.environ["PORT"]), timeout=5)
web.request("GET", "/healthz")
raise SystemExit(web.getresponse().status != 200)
