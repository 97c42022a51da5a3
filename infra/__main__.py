import signal

from infra.stacks import main

# After a failed resource Pulumi ends the program by SIGINT, while it waits for the others. It has
# nothing to clean up, and the traceback of a KeyboardInterrupt would hide the failure.
signal.signal(signal.SIGINT, signal.SIG_DFL)
main()
