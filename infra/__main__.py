from infra.stacks import main

main()
