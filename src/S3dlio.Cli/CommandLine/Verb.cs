namespace S3dlio.Cli.CommandLine;

/// <summary>An option of a verb, or of all verbs.</summary>
/// <param name="Name">Long name without its two dashes.</param>
/// <param name="Short">One letter; <c>\0</c> for none.</param>
/// <param name="Value">What its value is called; null for a flag.</param>
/// <param name="Help">One sentence without a full stop.</param>
sealed record Option(string Name, char Short, string? Value, string Help)
{
    /// <summary>Other long names that mean the same.</summary>
    public string[] Aliases { get; init; } = [];

    /// <summary>May be given more than once, and every value counts.</summary>
    public bool Repeats { get; init; }

    public static Option Flag(string name, char letter, string help) => new(name, letter, null, help);

    public static Option Of(string name, char letter, string value, string help) => new(name, letter, value, help);
}

/// <summary>An argument by its place.</summary>
/// <param name="Name">As in the usage line.</param>
/// <param name="Help">One sentence without a full stop.</param>
/// <param name="Least">How many there must be: 0 or 1.</param>
/// <param name="Many">Whether there may be more.</param>
sealed record Positional(string Name, string Help, int Least = 1, bool Many = false);

/// <summary>A verb of the program, or a group of verbs.</summary>
/// <param name="Name">What the user types.</param>
/// <param name="Purpose">One sentence without a full stop.</param>
/// <param name="Run">Does it and gives the exit code; null for a group.</param>
sealed record Verb(string Name, string Purpose, Func<Invocation, Task<int>>? Run)
{
    public Positional[] Positionals { get; init; } = [];

    public Option[] Options { get; init; } = [];

    public Verb[] Verbs { get; init; } = [];

    public string[] Aliases { get; init; } = [];

    /// <summary>What the reference and <c>--help</c> say beyond the purpose.</summary>
    public string Details { get; init; } = "";

    public string[] Examples { get; init; } = [];

    public bool Answers(string name) => Name == name || Aliases.Contains(name);
}
