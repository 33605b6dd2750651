using System.Globalization;
using System.Text.RegularExpressions;
using S3dlio.Cli.Addresses;
using S3dlio.Cli.CommandLine;
using S3dlio.Cli.Output;
using S3dlio.Cli.Verbs;
using S3dlio.Storage;

namespace S3dlio.Cli.Original;

/// <summary><c>list-buckets create-bucket delete-bucket ls stat delete</c> of the original.</summary>
static class OriginalObjects
{
    public static async Task<int> ListBucketsAsync(Invocation run)
    {
        string address = run.Arguments.Count > 0 ? run.Arguments[0] : "s3://";
        if (run.Stores.Containers(address) is not { Name: null } account)
            throw new UsageException($"{address}: name an account, such as s3:// or az://account");
        var found = await account.Service.ListAsync(run.Cancel);
        run.Terminal.Line($"Found {found.Count} bucket(s):");
        run.Terminal.Line($"{"Bucket Name",-30} Creation Date");
        run.Terminal.Line(new string('-', 60));
        foreach (var container in found)
            run.Terminal.Line($"{Quoted.Name(container.Name),-30} {container.Created:yyyy-MM-dd'T'HH:mm:ss'Z'}");
        return ExitCode.Good;
    }

    public static async Task<int> BucketAsync(Invocation run, bool remove)
    {
        string name = run.Arguments[0];
        string address = StoreUri.IsAddress(name) ? name : $"s3://{name}";
        if (run.Stores.Containers(address.TrimEnd('/')) is not { Name: { } container } found)
            throw new UsageException($"{name}: this is no bucket; write its name or s3://name");
        if (remove)
            await found.Service.DeleteAsync(container, run.Cancel);
        else
            await found.Service.CreateAsync(container, run.Cancel);
        run.Terminal.Line($"Successfully {(remove ? "deleted" : "created or verified")} bucket '{Quoted.Name(container)}'.");
        return ExitCode.Good;
    }

    public static async Task<int> ListAsync(Invocation run)
    {
        var place = run.Stores.Open(run.Arguments[0], wildcards: false);
        var pattern = Pattern(run);
        long count = 0;
        var options = ListOptions.Default with { Recursive = run.Has("recursive") };
        await foreach (var page in place.Store.ListAsync(place.Key, options, run.Cancel))
        {
            foreach (string key in page.Objects.Select(static meta => meta.Key).Concat(page.Prefixes).Order(ObjectKey.Order))
            {
                if (pattern?.IsMatch(Below(place, key)) == false)
                    continue;
                count++;
                if (!run.Has("count-only"))
                    run.Terminal.Line(Quoted.Name(place.Store.Root.Child(key)));
            }
        }
        double seconds = run.Terminal.Progress.Elapsed.TotalSeconds;
        run.Terminal.Line(string.Create(CultureInfo.InvariantCulture,
            $"{(run.Has("count-only") ? "" : "\n")}Total objects: {count} ({seconds:0.000}s, rate: {count / seconds:0} objects/s)"));
        return ExitCode.Good;
    }

    public static async Task<int> StatAsync(Invocation run)
    {
        string address = run.Arguments[0];
        var place = run.Stores.Open(address, wildcards: false);
        var meta = await place.Store.HeadAsync(place.Key, run.Cancel);
        Field("URI", Quoted.Name(address));
        Field("Size", meta.Size.ToString(CultureInfo.InvariantCulture));
        Field("LastModified", JsonText.Time(meta.LastModified));
        Field("ETag", meta.ETag);
        Field("Content-Type", meta.ContentType);
        if (meta.Metadata.Count > 0)
            run.Terminal.Line("User Metadata:");
        foreach (var (name, value) in meta.Metadata)
            run.Terminal.Line($"  {Quoted.Text(name)} = {Quoted.Text(value)}");
        return ExitCode.Good;

        void Field(string name, string? value)
        {
            if (value is not null)
                run.Terminal.Line($"{name,-16}: {value}");
        }
    }

    /// <remarks>
    /// Without <c>-r</c>, a pattern and a slash at the end it is the one object of that name. The original deletes whatever begins with it,
    /// which nobody asked for.
    /// </remarks>
    public static async Task<int> DeleteAsync(Invocation run)
    {
        const int most = 1000;
        int batchLength = run.Integer("jobs", most, 1, 4096);
        var place = run.Stores.Open(run.Arguments[0], wildcards: false);
        if (place.IsLocal && place.Key.Trim('/').Length == 0)
            throw new UsageException("'/' is not deleted");
        var pattern = Pattern(run);
        bool recursive = run.Has("recursive");
        var found = new List<Found>();
        if (recursive || pattern is not null || place.IsFolder)
        {
            await foreach (var page in place.Store.ListAsync(place.Key, ListOptions.Default with { Recursive = recursive }, run.Cancel))
            {
                foreach (var meta in page.Objects)
                {
                    if (pattern?.IsMatch(Below(place, meta.Key)) != false)
                        found.Add(new Found(place, Below(place, meta.Key), meta));
                }
            }
        }
        else if (await Tree.LookAsync(place, run.Cancel) is { } meta)
            found.Add(new Found(place, place.Name, meta));
        long deleted = 0;
        foreach (var batch in found.Chunk(Math.Min(batchLength, most)))
            deleted += (await Removals.DeleteAsync(run, place, batch)).Count;
        run.Terminal.Line($"delete summary: attempted={found.Count}, succeeded={deleted}, failed={found.Count - deleted}");
        return run.Outcome;
    }

    static string Below(Place place, string key) => key[(place.Key.LastIndexOf('/') + 1)..];

    static Regex? Pattern(Invocation run)
    {
        if (run.Text("pattern") is not { } text)
            return null;
        try
        {
            // as for the original's, no pattern takes longer than the text is long
            return new Regex(text, RegexOptions.CultureInvariant | RegexOptions.NonBacktracking);
        }
        catch (Exception error) when (error is ArgumentException or NotSupportedException)
        {
            throw new UsageException($"--pattern: '{text}' is no regular expression: {error.Message}");
        }
    }
}
