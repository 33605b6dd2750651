using S3dlio.Cli.Addresses;
using S3dlio.Cli.CommandLine;
using S3dlio.Cli.Output;
using S3dlio.Storage;

namespace S3dlio.Cli.Verbs;

/// <summary><c>mb rb presign uploads</c>.</summary>
static class Containers
{
    public static readonly Verb Mb = new("mb", "make a bucket, container or directory", static run => EachAsync(run, remove: false))
    {
        Positionals = [new("BUCKET", "such as s3://bucket", Many: true)],
        Aliases = ["mkdir"],
    };

    public static readonly Verb Rb = new("rb", "remove an empty bucket, container or directory", static run => EachAsync(run, remove: true))
    {
        Positionals = [new("BUCKET", "such as s3://bucket", Many: true)],
        Aliases = ["rmdir"],
    };

    public static readonly Verb Presign =
        new("presign", "print a URL with which anybody can read or write an object until it expires", PresignAsync)
        {
            Positionals = [new("OBJECT", "which")],
            Options = [Option.Of("expires", 'e', "TIME", "how long it is good for, up to 7d (1h)"), Option.Of("method", 'X', "METHOD",
            "GET (default), HEAD, PUT or DELETE")],
            Details = "The URL is a secret: whoever has it needs no other.",
            Examples = ["s3dlio presign -e 15m s3://bucket/a.npy"],
        };

    public static readonly Verb Uploads = new("uploads", "list uploads in parts that nobody ended, or throw them away", UploadsAsync)
    {
        Positionals = [new("PATH", "a bucket or prefix")],
        Options = [Option.Flag("abort", '\0', "throw them away"), Option.Of("older-than", '\0', "TIME",
            "those begun longer ago than this"), Common.DryRun],
        Examples = ["s3dlio uploads --abort --older-than 2d s3://bucket/"],
    };

    static async Task<int> EachAsync(Invocation run, bool remove)
    {
        foreach (string name in run.Arguments)
        {
            try
            {
                if (run.Stores.Containers(name) is { } found)
                {
                    string container = found.Name ?? throw new UsageException($"{name}: the name of the bucket is missing");
                    await (remove ? found.Service.DeleteAsync(container, run.Cancel) : found.Service.CreateAsync(container, run.Cancel));
                }
                else
                {
                    var place = run.Stores.Open(name, wildcards: false);
                    if (!place.IsLocal)
                        throw new UsageException($"{name}: {place.Store.Root.Scheme}:// folders come and go with the objects in them; "
                            + $"name a bucket");
                    await DirectoryAsync(place, remove, run.Cancel);
                }
                if (run.Terminal.Verbose)
                    run.Terminal.Line($"{(remove ? "removed" : "made")} {Quoted.Name(name)}");
            }
            catch (StoreException error)
            {
                run.Terminal.Failure(error);
            }
        }
        return run.Outcome;
    }

    static async Task DirectoryAsync(Place place, bool remove, CancellationToken cancel)
    {
        string key = place.Key.TrimEnd('/');
        if (!remove)
        {
            await place.Store.MakeDirectoryAsync(key, cancel);
            return;
        }
        if (!await place.Store.IsDirectoryAsync(key, cancel))
            throw Tree.NotFound(place);
        await foreach (var _ in Tree.BelowAsync(place, cancel))
            throw new StoreException(ErrorKind.Precondition, place.ToString(), "the directory is not empty; rm -r deletes what is in it");
        await place.Store.RemoveDirectoryAsync(key, cancel);
    }

    static async Task<int> PresignAsync(Invocation run)
    {
        var place = run.Stores.Open(run.Arguments[0], wildcards: false);
        string url = await place.Store.PresignAsync(place.Key, new PresignOptions
        {
            Method = (run.Text("method") ?? "GET").ToUpperInvariant(),
            Expires = run.Text("expires") is { } text ? Quantity.Duration(text, "--expires") : TimeSpan.FromHours(1),
        }, run.Cancel);
        if (run.Terminal.Json)
            run.Terminal.Object(json => json.WriteString("url", url));
        else
            run.Terminal.Line(url);
        return run.Outcome;
    }

    static async Task<int> UploadsAsync(Invocation run)
    {
        var place = run.Stores.Open(run.Arguments[0], wildcards: false);
        var age = run.Text("older-than") is { } text ? Quantity.Duration(text, "--older-than") : TimeSpan.Zero;
        foreach (var upload in await place.Store.ListUploadsAsync(place.Key, run.Cancel))
        {
            if (!upload.IsOlderThan(age, DateTimeOffset.UtcNow))
                continue;
            if (run.Has("abort") && !run.Has("dry-run"))
                await place.Store.AbortUploadAsync(upload, run.Cancel);
            string address = place.Address(upload.Key);
            if (run.Terminal.Json)
            {
                run.Terminal.Object(json =>
                {
                    JsonText.Address(json, "uri", address);
                    json.WriteString("upload", upload.Id);
                    if (upload.Begun is { } begun)
                        json.WriteString("begun", JsonText.Time(begun));
                    json.WriteBoolean("aborted", run.Has("abort") && !run.Has("dry-run"));
                });
            }
            else
            {
                run.Terminal.Line($"{(upload.Begun is { } begun ? JsonText.Time(begun) : "-")} {Quoted.Name(upload.Id)} "
                    + $"{Quoted.Name(address)}");
            }
        }
        return run.Outcome;
    }
}
