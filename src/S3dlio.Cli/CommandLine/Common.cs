using System.Globalization;
using S3dlio.Cli.Addresses;

namespace S3dlio.Cli.CommandLine;

/// <summary>Options that several verbs have.</summary>
static class Common
{
    public const int Jobs = 64;

    public static readonly Option[] Everywhere =
    [
        Option.Flag("help", 'h', "show what the verb does and its options"),
        Option.Flag("json", '\0', "print lines of JSON, for programs"),
        Option.Flag("quiet", 'q', "print nothing but what was asked for and errors"),
        Option.Flag("verbose", 'v', "print a line for each object"),
        Option.Flag("no-progress", '\0', "no line of progress on the terminal"),
        Option.Flag("raw", '\0', "take addresses literally: no wildcards"),
        Option.Of("endpoint-url", '\0', "URL", "the S3 server or Azure endpoint") with { Aliases = ["endpoint"] },
        Option.Of("region", '\0', "NAME", "the S3 region"),
        Option.Of("profile", '\0', "NAME", "the profile of Amazon's configuration files"),
        Option.Of("ca-bundle", '\0', "FILE", "the authorities to trust in place of the system's, as PEM"),
        Option.Flag("anonymous", '\0', "do not log in, for public buckets") with { Aliases = ["no-sign-request"] },
        Option.Of("op-log", '\0', "FILE",
            "record every operation: tab-separated, compressed where the name ends with .zst; also S3DLIO_OPLOG"),
        Option.Of("option", 'o', "NAME=VALUE",
            "any other option of the store, such as part_size=16777216; az.NAME=VALUE for one kind alone") with { Repeats = true },
    ];

    public static readonly Option JobsOption = Option.Of("jobs", 'j', "N", "objects under way at once (64)");

    public static readonly Option BandwidthLimit = Option.Of("bwlimit", '\0', "SIZE",
        "bytes a second, all objects together; what a store copies within itself is not bounded");

    public static readonly Option Recursive = Option.Flag("recursive", 'r', "everything below a path") with { Aliases = ["R"] };

    public static readonly Option DryRun =
        Option.Flag("dry-run", 'n', "show what would be done, and do nothing") with { Aliases = ["dryrun"] };

    public static readonly Option Null = Option.Flag("null", '0', "print bare addresses with a NUL behind each, for xargs -0");

    public static readonly Option[] Filters =
    [
        Option.Of("include", '\0', "PATTERN",
            "objects that match; of several patterns the last one that matches decides") with { Repeats = true },
        Option.Of("exclude", '\0', "PATTERN", "not the objects that match") with { Repeats = true },
        Option.Of("min-size", '\0', "SIZE", "objects of at least that size"),
        Option.Of("max-size", '\0', "SIZE", "objects of at most that size"),
        Option.Of("newer-than", '\0', "TIME", "written within the last 30m, 12h, 7d, or after 2026-01-31"),
        Option.Of("older-than", '\0', "TIME", "written before that"),
    ];

    /// <param name="run">The verb's run.</param>
    /// <param name="order">Names and values of --include and --exclude in the order given.</param>
    public static Filter Filter(Invocation run, IEnumerable<(bool Include, string Pattern)> order)
    {
        var filter = new Filter
        {
            LeastSize = run.Size("min-size", 0),
            MostSize = run.Size("max-size", long.MaxValue),
            NewerThan = Time(run, "newer-than"),
            OlderThan = Time(run, "older-than"),
        };
        foreach (var (include, pattern) in order)
            filter.Add(include, pattern);
        return filter;
    }

    public static Filter Filter(Invocation run) => Filter(run, run.Parsed.Patterns);

    static DateTimeOffset? Time(Invocation run, string option)
    {
        if (run.Text(option) is not { } text)
            return null;
        return DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)
            && text.Contains('-', StringComparison.Ordinal)
            ? time
            : DateTimeOffset.UtcNow - Quantity.Duration(text, "--" + option);
    }
}
