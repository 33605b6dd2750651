using S3dlio.Storage;

namespace S3dlio.Cli.Addresses;

/// <summary>
/// Which objects of a tree are meant. A pattern without <c>/</c> is for the last name, at any depth; one with it is for the whole path
/// below
/// the tree, and what lies in a folder that it matches. The last pattern that matches decides; where the first one is an include, all else
/// is out.
/// </summary>
sealed class Filter
{
    readonly List<(bool Include, Glob Glob, bool Anchored)> _rules = [];

    public long LeastSize { get; init; }

    public long MostSize { get; init; } = long.MaxValue;

    public DateTimeOffset? NewerThan { get; init; }

    public DateTimeOffset? OlderThan { get; init; }

    public void Add(bool include, string pattern)
    {
        bool anchored = pattern.TrimEnd('/').Contains('/', StringComparison.Ordinal);
        string folder = pattern.EndsWith('/') ? pattern + "**" : pattern;
        _rules.Add((include, new Glob(folder.TrimStart('/')), anchored || pattern.EndsWith('/')));
    }

    public bool Passes(string relative) => Passes(relative.AsSpan());

    public bool Passes(string relative, ObjectMeta meta) =>
        meta.Size >= LeastSize && meta.Size <= MostSize && !(meta.LastModified <= NewerThan) && !(meta.LastModified >= OlderThan)
            && Passes(relative.AsSpan());

    bool Passes(ReadOnlySpan<char> relative)
    {
        bool passes = _rules.Count == 0 || !_rules[0].Include;
        var name = relative[(relative.LastIndexOf('/') + 1)..];
        foreach (var (include, glob, anchored) in _rules)
        {
            if (include != passes && glob.Matches(anchored ? relative : name, orBelow: anchored))
                passes = include;
        }
        return passes;
    }
}
