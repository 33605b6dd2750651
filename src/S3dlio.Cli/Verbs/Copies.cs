using System.Runtime.CompilerServices;
using S3dlio.Cli.Addresses;
using S3dlio.Cli.CommandLine;
using S3dlio.Cli.Transfers;
using S3dlio.Storage;
using S3dlio.Transfer;

namespace S3dlio.Cli.Verbs;

/// <summary><c>cp mv put get upload download</c>: objects from anywhere to anywhere.</summary>
static class Copies
{
    static readonly Option[] Options =
    [
        Common.Recursive, Common.JobsOption, Common.DryRun, Common.BandwidthLimit,
        Option.Flag("no-clobber", '\0', "leave what exists at the destination"),
        Option.Flag("force", 'f', "write anew what is the same already"),
        Option.Flag("update", 'u', "only what differs in size or is newer"),
        Option.Flag("size-only", '\0', "only what differs in size"),
        Option.Flag("checksum", '\0', "only what differs in checksum, taken from the bytes where none is recorded"),
        Option.Flag("flatten", '\0', "leave out the folders of the source"),
        Option.Flag("durable", '\0', "have each object on the device before it counts as written"),
        Option.Of("content-type", '\0', "TYPE", "what the objects are called at the destination"),
        Option.Of("metadata", '\0', "KEY=VALUE", "kept with each object") with { Repeats = true },
        .. Common.Filters,
    ];

    const string Rules = """
        A folder's contents go below the destination, as with 'aws s3 cp --recursive'; of several folders each keeps its name. A destination
        that
        ends with '/' or is a directory takes objects under their own names. Each object appears whole or not at all, and its bytes are
        compared
        with their checksum on the way. With -r an object that is there already, of the same checksum, is not sent again, so that a copy
        that was
        interrupted goes on where it was; --force sends everything.
        """;

    static readonly Positional[] FromTo =
        [new("SOURCE", "what to copy; '-' is standard input", Many: true), new("DESTINATION", "where to; '-' is standard output")];

    public static readonly Verb Cp = new("cp", "copy objects, from any store to any", static run => RunAsync(run, moves: false))
    {
        Positionals = FromTo,
        Options = Options,
        Aliases = ["copy"],
        Details = Rules,
        Examples = ["s3dlio cp -r data s3://bucket/data", "s3dlio cp 's3://bucket/run1/**.npy' ./run1/",
            "s3dlio cp -r s3://bucket/a az://account/container/a"],
    };

    public static readonly Verb Mv =
        new("mv", "move objects: copy each, then delete it at the source", static run => RunAsync(run, moves: true))
        {
            Positionals = FromTo,
            Options = Options,
            Aliases = ["move"],
            Details = Rules,
            Examples = ["s3dlio mv s3://bucket/a.npy s3://bucket/old/a.npy"],
        };

    public static readonly Verb Put = new("put", "copy a file to an object", static run => RunAsync(run, moves: false))
    {
        Positionals = [new("FILE", "a local file, or '-'"), new("DESTINATION", "the object, or a folder ending with '/'")],
        Options = Options,
        Examples = ["s3dlio put weights.safetensors s3://bucket/weights.safetensors"],
    };

    public static readonly Verb Get =
        new("get", "copy an object to a file, by default of its own name here", static run => RunAsync(run, moves: false))
        {
            Positionals = [new("SOURCE", "the object"), new("FILE", "where to; '-' is standard output", Least: 0)],
            Options = Options,
            Examples = ["s3dlio get s3://bucket/weights.safetensors"],
        };

    public static readonly Verb Upload =
        new("upload", "copy files and folders into a store", static run => RunAsync(run, moves: false, always: true))
        {
            Positionals = [new("FILE", "files or folders", Many: true), new("DESTINATION", "the folder they go to")],
            Options = Options,
            Examples = ["s3dlio upload a.npy b.npy s3://bucket/arrays/"],
        };

    public static readonly Verb Download =
        new("download", "copy objects and folders to files", static run => RunAsync(run, moves: false, always: true))
        {
            Positionals = [new("SOURCE", "objects or folders", Many: true), new("DIRECTORY", "where they go to")],
            Options = Options,
            Examples = ["s3dlio download s3://bucket/arrays ./arrays"],
        };

    /// <param name="run">What was asked for.</param>
    /// <param name="moves">Whether the sources are deleted.</param>
    /// <param name="always">As with <c>--recursive</c>, and into a folder.</param>
    /// <param name="tell">Tells what came of it in place of the usual summary.</param>
    public static async Task<int> RunAsync(Invocation run, bool moves, bool always = false, Action<Copier>? tell = null)
    {
        var arguments = run.Arguments;
        string target = arguments.Count == 1 ? "./" : arguments[^1];
        string[] named = arguments.Count == 1 ? [.. arguments] : [.. arguments[..^1]];
        if (named.Contains("-") || target == "-")
            return await StreamAsync(run, named, target, moves);
        var destination = run.Stores.Open(target, wildcards: false);
        Place[] sources = [.. named.Select(name => run.Stores.Open(name))];
        bool recursive = always || run.Has("recursive");
        bool into = destination.IsFolder || always || sources.Length > 1 || recursive
            || sources.Any(static source => source.Glob is not null)
            || (destination.IsLocal && await destination.Store.IsDirectoryAsync(destination.Key, run.Cancel));
        bool listed = recursive || run.Has("update") || run.Has("size-only") || run.Has("checksum") || run.Has("no-clobber");
        using var copier = new Copier(run, moves)
        {
            Judgement = run.Has("force") ? null : Judge(run, listed ? Judgement.Proven : null),
            NoClobber = run.Has("no-clobber"),
            DryRun = run.Has("dry-run"),
            Options = WriteOptions(run),
        };
        if (recursive)
        {
            foreach (var source in sources)
                RequireApart(source, destination);
        }
        int requests = sources.Append(destination).Max(static place => place.Store.RequestsAtOnce);
        foreach (var source in sources)
        {
            // of several folders each keeps its name
            string below = sources.Length > 1 && source.Glob is null && recursive ? $"{destination.Prefix}{source.Name}/"
                : destination.Prefix;
            await copier.RunAsync(ItemsAsync(run, source, destination, into ? below : null, listed, run.Cancel), requests);
        }
        if (moves && recursive && !copier.DryRun && run.Terminal.Failures == 0)
        {
            foreach (var source in sources.Where(static source => source.Glob is null))
                await source.Store.RemoveDirectoryAsync(source.Key.TrimEnd('/'), run.Cancel);
        }
        if (tell is null)
            copier.Summarize();
        else
            tell(copier);
        return run.Outcome;
    }

    /// <summary>The objects of one source and where they go, with what is there already.</summary>
    /// <param name="run">What was asked for.</param>
    /// <param name="source">One source.</param>
    /// <param name="destination">The destination as it was given.</param>
    /// <param name="below">What the keys of objects below the source begin with; null: the one object takes the destination's own
    /// key.</param>
    /// <param name="listed">Whether anybody asks what is there.</param>
    /// <param name="cancel">Ends it.</param>
    static async IAsyncEnumerable<CopyItem> ItemsAsync(
        Invocation run, Place source, Place destination, string? below, bool listed, [EnumeratorCancellation] CancellationToken cancel)
    {
        var filter = Common.Filter(run);
        bool recursive = run.Has("recursive") || run.Parsed.Verb is { Name: "upload" or "download" };
        string Key(Found found)
        {
            if (below is null)
                return destination.Key;
            // the object of a folder's own name keeps to itself
            string above = found.Meta.Key == source.Key ? destination.Prefix : below;
            return above + (run.Has("flatten") ? found.Relative[(found.Relative.LastIndexOf('/') + 1)..] : found.Relative);
        }
        var sources = Tree.FindAsync(source, recursive, filter, cancel);
        if (!listed || below is null || run.Has("flatten"))
        {
            await foreach (var found in sources)
                yield return new CopyItem(found, destination, Key(found), listed
                    ? await Tree.LookAsync(destination with { Key = Key(found) }, cancel) : null);
            yield break;
        }
        // the object of the source's own name comes before those below it, which are in order
        await using var all = sources.GetAsyncEnumerator(cancel);
        if (!await all.MoveNextAsync())
            yield break;
        var first = all.Current;
        bool alone = first.Meta.Key == source.Key;
        if (alone)
        {
            yield return new CopyItem(first, destination, Key(first), await Tree.LookAsync(destination with { Key = Key(first) }, cancel));
            if (!await all.MoveNextAsync())
                yield break;
            first = all.Current;
        }
        async IAsyncEnumerable<Found> Rest()
        {
            yield return first;
            while (await all.MoveNextAsync())
                yield return all.Current;
        }
        var there = destination with { Key = below ?? destination.Prefix };
        await foreach (var (left, right) in Join.SideBySideAsync(Rest(), Tree.BelowAsync(there, cancel), cancel))
        {
            if (left is { } found)
                yield return new CopyItem(found, destination, Key(found), right?.Meta);
        }
    }

    public static Judgement? Judge(Invocation run, Judgement? otherwise) =>
        run.Has("checksum") ? Judgement.Bytes : run.Has("size-only") ? Judgement.Size : run.Has("update") || run.Has("size-time")
            ? Judgement.SizeAndTime : otherwise;

    public static PutOptions WriteOptions(Invocation run)
    {
        var metadata = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (string pair in run.All("metadata"))
        {
            int equals = pair.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0)
                throw new UsageException($"--metadata: write KEY=VALUE, found '{pair}'");
            metadata[pair[..equals]] = pair[(equals + 1)..];
        }
        return new PutOptions
        {
            Durable = run.Has("durable") ? true : null,
            ContentType = run.Text("content-type"),
            Metadata = metadata.Count > 0 ? metadata : null
        };
    }

    /// <summary>A tree that is copied into itself would find its own copies.</summary>
    public static void RequireApart(Place one, Place other)
    {
        if (!one.Store.IsSameAs(other.Store))
            return;
        if (one.Prefix.StartsWith(other.Prefix, StringComparison.Ordinal) || other.Prefix.StartsWith(one.Prefix, StringComparison.Ordinal))
            throw new UsageException($"{one} and {other} lie within each other; a tree cannot be copied into itself");
    }

    /// <summary>Standard input to an object, or objects to standard output.</summary>
    static async Task<int> StreamAsync(Invocation run, string[] named, string target, bool moves)
    {
        if (moves)
            throw new UsageException("a stream cannot be moved; use cp");
        if (target == "-")
            return named.Contains("-") ? throw new UsageException("both sides are streams") : await Reads.CatAsync(run, named, 0, null);
        if (named.Length > 1)
            throw new UsageException("standard input is one source; give no others");
        var place = run.Stores.Open(target, wildcards: false);
        if (place.IsFolder)
            throw new UsageException($"{target}: standard input has no name; give the object's");
        await Streams.PipeAsync(run, place, WriteOptions(run), run.Text("level") is null ? null : run.Integer("level", 3, 1, 22));
        return run.Outcome;
    }
}
