from infra.stacks.program import main

main()
