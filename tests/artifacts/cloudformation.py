"""Runs MiniStack with SAM's transform, which its CloudFormation takes from SAM CLI's environment: `python … SITE_PACKAGES`.

At the end of the path, so that what is in both environments is MiniStack's own.
"""

import sys

sys.path.append(sys.argv[1])

from ministack import app  # with the path as it is now

sys.argv = sys.argv[:1]  # MiniStack reads them too
app.main()
