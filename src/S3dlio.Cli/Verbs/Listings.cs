using System.Globalization;
using S3dlio.Cli.Addresses;
using S3dlio.Cli.CommandLine;
using S3dlio.Cli.Output;
using S3dlio.Storage;

namespace S3dlio.Cli.Verbs;

/// <summary><c>ls find tree du stat</c>: what there is.</summary>
static class Listings
{
    static readonly Option Long = Option.Flag("long", 'l', "time, size and name");
    static readonly Option Human = Option.Flag("human", 'H', "sizes as 1.5 MiB");

    public static readonly Verb Ls = new("ls", "list a folder, a bucket, or the buckets of an account (s3://)", ListAsync)
    {
        Positionals = [new("PATH", "what to list; the current directory", Least: 0, Many: true)],
        Options = [Common.Recursive, Long, Human, Option.Flag("full", 'F', "whole addresses in place of names"), Option.Flag("summary",
            's', "the number of objects and bytes at the end"), Common.Null, .. Common.Filters],
        Aliases = ["list"],
        Details = "Folders end with '/'. A name that a terminal would obey is written as $'…', which the shell reads back.",
        Examples = ["s3dlio ls -lH s3://bucket/runs/", "s3dlio ls -r 's3://bucket/**.npy'"],
    };

    public static readonly Verb Find = new("find", "print the addresses of all objects below a path that pass the filters", FindAsync)
    {
        Positionals = [new("PATH", "where to look", Many: true)],
        Options = [Option.Of("name", '\0', "PATTERN", "objects whose last name matches"), Long, Human, Common.Null, .. Common.Filters],
        Examples = ["s3dlio find s3://bucket/runs --name '*.ckpt' --older-than 30d --min-size 1GiB"],
    };

    public static readonly Verb TreeVerb = new("tree", "show folders and objects as a tree", TreeAsync)
    {
        Positionals = [new("PATH", "where it begins", Least: 0)],
        Options = [Option.Of("depth", 'd', "N", "so many levels"), Long, Human, .. Common.Filters],
    };

    public static readonly Verb Du = new("du", "sum up the sizes of everything below a path", UsageAsync)
    {
        Positionals = [new("PATH", "what to sum up", Many: true)],
        Options = [Human, Option.Of("depth", 'd', "N", "a line for each folder, so many levels down"), .. Common.Filters],
        Examples = ["s3dlio du -H -d 1 s3://bucket/runs"],
    };

    public static readonly Verb Stat = new("stat", "show what the store knows of objects", StatAsync)
    {
        Positionals = [new("OBJECT", "which", Many: true)],
        Options = [],
    };

    static async Task<int> ListAsync(Invocation run)
    {
        long objects = 0, bytes = 0;
        string[] named = run.Arguments.Count == 0 ? ["./"] : [.. run.Arguments];
        var filter = Common.Filter(run);
        foreach (string name in named)
        {
            if (run.Stores.Containers(name) is { Name: null } account)
            {
                foreach (var container in await account.Service.ListAsync(run.Cancel))
                    Container(run, account.Base + container.Name + "/", container);
                continue;
            }
            var place = run.Stores.Open(name);
            if (place.Glob is not null || run.Has("recursive"))
            {
                await foreach (var found in Tree.FindAsync(place, run.Has("recursive"), filter, run.Cancel))
                    Object(run, found.Address, found.Relative, found.Meta);
                continue;
            }
            bool any = false;
            if (!place.IsFolder && await Tree.LookAsync(place, run.Cancel) is { } self)
            {
                any = true;
                if (filter.Passes(place.Name, self))
                    Object(run, place.Typed, place.Name, self);
            }
            await foreach (var page in place.Store.ListAsync(place.Prefix, ListOptions.Default with { Recursive = false }, run.Cancel))
            {
                any = true;
                Page(run, place, page, filter);
            }
            // what is empty is there all the same: a directory, a bucket
            if (!any && place.Key.Length > 0 && !await place.Store.IsDirectoryAsync(place.Key.TrimEnd('/'), run.Cancel))
                run.Terminal.Failure(Tree.NotFound(place));
        }
        if (run.Has("summary"))
            Summary(run, objects, bytes);
        return run.Outcome;

        void Object(Invocation run, string address, string name, ObjectMeta meta)
        {
            objects++;
            bytes += meta.Size;
            Print(run, address, run.Has("full") ? address : name, meta);
        }

        // objects and folders of a page come apart and are printed in their common order
        void Page(Invocation run, Place place, ListPage page, Filter filter)
        {
            int folder = 0;
            foreach (var meta in page.Objects)
            {
                for (; folder < page.Prefixes.Count && ObjectKey.Compare(page.Prefixes[folder], meta.Key) < 0; folder++)
                    Folder(run, place, page.Prefixes[folder]);
                string name = meta.Key[place.Prefix.Length..];
                if (name.Length > 0 && filter.Passes(name, meta))
                    Object(run, place.Address(meta.Key), name, meta);
            }
            for (; folder < page.Prefixes.Count; folder++)
                Folder(run, place, page.Prefixes[folder]);
        }
    }

    static void Folder(Invocation run, Place place, string key)
    {
        string address = place.Address(key), name = run.Has("full") ? address : key[place.Prefix.Length..];
        if (run.Terminal.Json)
            run.Terminal.Object(json => JsonText.Address(json, "folder", address));
        else if (run.Has("null"))
            run.Terminal.Raw(address);
        else
            run.Terminal.Line(run.Has("long") ? $"{"",20} {"",Width} {Quoted.Name(name)}" : Quoted.Name(name));
    }

    const int Width = 12;

    static void Print(Invocation run, string address, string name, ObjectMeta meta)
    {
        if (run.Terminal.Json)
        {
            run.Terminal.Object(json => JsonText.Brief(json, address, meta));
            return;
        }
        if (run.Has("null"))
        {
            run.Terminal.Raw(address);
            return;
        }
        run.Terminal.Line(run.Has("long") ? $"{Time(meta.LastModified)} {Size(run, meta.Size),Width} {Quoted.Name(name)}"
            : Quoted.Name(name));
    }

    static void Container(Invocation run, string address, ContainerInfo container)
    {
        if (run.Terminal.Json)
        {
            run.Terminal.Object(json =>
            {
                JsonText.Address(json, "bucket", address);
                if (container.Created is { } created)
                    json.WriteString("created", JsonText.Time(created));
            });
            return;
        }
        run.Terminal.Line(run.Has("long") ? $"{(container.Created is { } time ? Time(time) : ""),20} {"",Width} {Quoted.Name(address)}"
            : Quoted.Name(address));
    }

    static void Summary(Invocation run, long objects, long bytes)
    {
        if (run.Terminal.Json)
        {
            run.Terminal.Object(json =>
            {
                json.WriteNumber("objects", objects);
                json.WriteNumber("bytes", bytes);
            });
            return;
        }
        run.Terminal.Line($"{objects} objects, {(run.Has("human") ? Quantity.Show(bytes) : $"{bytes} bytes")}");
    }

    static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    static string Size(Invocation run, long bytes) =>
        run.Has("human") ? Quantity.Show(bytes) : bytes.ToString(CultureInfo.InvariantCulture);

    static async Task<int> FindAsync(Invocation run)
    {
        var filter = Common.Filter(run);
        var name = run.Text("name") is { } pattern ? new Glob(pattern) : null;
        foreach (string path in run.Arguments)
        {
            try
            {
                await foreach (var found in Tree.FindAsync(run.Stores.Open(path), recursive: true, filter, run.Cancel))
                {
                    if (name is null || name.Matches(found.Meta.Key.AsSpan(found.Meta.Key.LastIndexOf('/') + 1)))
                        Print(run, found.Address, found.Address, found.Meta);
                }
            }
            catch (StoreException error)
            {
                run.Terminal.Failure(error);
            }
        }
        return run.Outcome;
    }

    static async Task<int> TreeAsync(Invocation run)
    {
        var place = run.Stores.Open(run.Arguments.Count == 0 ? "./" : run.Arguments[0]);
        int depth = run.Integer("depth", int.MaxValue, 1, int.MaxValue);
        string[] above = [];
        long objects = 0, bytes = 0;
        run.Terminal.Line(Quoted.Name(place.ToString()));
        await foreach (var found in Tree.FindAsync(place, recursive: true, Common.Filter(run), run.Cancel))
        {
            objects++;
            bytes += found.Meta.Size;
            if (run.Terminal.Json)
            {
                run.Terminal.Object(json => JsonText.Brief(json, found.Address, found.Meta));
                continue;
            }
            string[] names = found.Relative.Split('/');
            int same = 0;
            while (same < names.Length - 1 && same < above.Length - 1 && names[same] == above[same])
                same++;
            for (int level = same; level < names.Length && level < depth; level++)
            {
                bool last = level == names.Length - 1;
                string size = last && (run.Has("long") || run.Has("human")) ? $"  {Size(run, found.Meta.Size)}" : "";
                run.Terminal.Line($"{new string(' ', 2 * (level + 1))}{Quoted.Name(names[level])}{(last ? "" : "/")}{size}");
            }
            above = names;
        }
        run.Terminal.Note($"{objects} objects, {Quantity.Show(bytes)}");
        return run.Outcome;
    }

    static async Task<int> UsageAsync(Invocation run)
    {
        var filter = Common.Filter(run);
        int depth = run.Integer("depth", 0, 0, 1000);
        foreach (string path in run.Arguments)
        {
            var place = run.Stores.Open(path);
            var folders = new SortedDictionary<string, (long Objects, long Bytes)>(ObjectKey.Order);
            (long Objects, long Bytes) total = default;
            await foreach (var found in Tree.FindAsync(place, recursive: true, filter, run.Cancel))
            {
                total = (total.Objects + 1, total.Bytes + found.Meta.Size);
                int end = 0;
                for (int level = 0; level < depth && (end = found.Relative.IndexOf('/', end)) >= 0; level++)
                {
                    string folder = found.Relative[..++end];
                    var sum = folders.GetValueOrDefault(folder);
                    folders[folder] = (sum.Objects + 1, sum.Bytes + found.Meta.Size);
                }
            }
            foreach (var (folder, sum) in folders)
                Sum(run, place.Address(place.Prefix + folder), sum);
            Sum(run, place.ToString(), total);
        }
        return run.Outcome;
    }

    static void Sum(Invocation run, string address, (long Objects, long Bytes) sum)
    {
        if (run.Terminal.Json)
        {
            run.Terminal.Object(json =>
            {
                JsonText.Address(json, "uri", address);
                json.WriteNumber("objects", sum.Objects);
                json.WriteNumber("bytes", sum.Bytes);
            });
            return;
        }
        run.Terminal.Line($"{Size(run, sum.Bytes),Width} {sum.Objects,10} {Quoted.Name(address)}");
    }

    static async Task<int> StatAsync(Invocation run)
    {
        foreach (string name in run.Arguments)
        {
            try
            {
                await foreach (var found in Tree.FindAsync(run.Stores.Open(name), recursive: false, new Filter(), run.Cancel))
                {
                    var meta = found.Place.Glob is null ? found.Meta : await found.Place.Store.HeadAsync(found.Meta.Key, run.Cancel);
                    Describe(run, found.Address, meta);
                }
            }
            catch (StoreException error)
            {
                run.Terminal.Failure(error);
            }
        }
        return run.Outcome;
    }

    static void Describe(Invocation run, string address, ObjectMeta meta)
    {
        if (run.Terminal.Json)
        {
            run.Terminal.Object(json => JsonText.Full(json, address, meta));
            return;
        }
        void Field(string name, string? value)
        {
            if (value is not null)
                run.Terminal.Line($"{name + ":",-14}{Quoted.Name(value)}");
        }
        Field("uri", address);
        Field("size", run.Terminal.Quiet ? meta.Size.ToString(CultureInfo.InvariantCulture) : $"{meta.Size} ({Quantity.Show(meta.Size)})");
        Field("modified", JsonText.Time(meta.LastModified));
        Field("etag", meta.ETag);
        Field("checksum", meta.Checksum?.ToString() ?? meta.Digest?.ToString());
        Field("content type", meta.ContentType);
        foreach (var (key, value) in meta.Attributes)
            Field(key, value);
        foreach (var (key, value) in meta.Metadata)
            Field($"metadata {key}", value);
    }
}
