using S3dlio.Cli.CommandLine;
using S3dlio.Cli.Verbs;

namespace S3dlio.Cli.Original;

/// <summary>
/// The program of the original, <c>s3-cli</c>: its verbs, options and summary lines over the engine of this one. docs/cli.md has what
/// differs.
/// </summary>
static class OriginalProgram
{
    public const string Name = "s3-cli";

    static readonly Option Recursive = Option.Flag("recursive", 'r', "everything below the address");

    static readonly Option Pattern = Option.Of("pattern", 'p', "REGEX", "only objects whose path below the address matches");

    static readonly Option CreateBucket = Option.Flag("create-bucket", 'c', "make the bucket where it is missing");

    static readonly Option Endpoints =
        Option.Of("endpoints", '\0', "URL,URL", "several servers with the same objects, used in turn");

    static readonly Option[] Everywhere =
    [
        .. Common.Everywhere.Where(static one =>
            one.Name is "help" or "verbose" or "endpoint-url" or "region" or "profile" or "ca-bundle" or "op-log"),
        // -o is the type of the objects of put
        Option.Of("option", 'O', "NAME=VALUE", "any other option of the store") with { Repeats = true },
    ];

    static readonly Verb[] Verbs =
    [
        new("list-buckets", "list the buckets of the account", OriginalObjects.ListBucketsAsync)
        {
            Positionals = [new("ADDRESS", "s3:// or az://account", Least: 0)],
        },
        new("create-bucket", "make a bucket", static run => OriginalObjects.BucketAsync(run, remove: false))
        {
            Positionals = [new("BUCKET", "its name or address")],
        },
        new("delete-bucket", "remove an empty bucket", static run => OriginalObjects.BucketAsync(run, remove: true))
        {
            Positionals = [new("BUCKET", "its name or address")],
        },
        new("ls", "list objects by their whole addresses", OriginalObjects.ListAsync)
        {
            Positionals = [new("ADDRESS", "where to look")],
            Options = [Recursive, Pattern, Option.Flag("count-only", 'c', "print their number alone")],
            Aliases = ["list"],
        },
        new("stat", "show what the store knows of an object", OriginalObjects.StatAsync)
        {
            Positionals = [new("ADDRESS", "the object")],
        },
        new("delete", "delete an object, or all below an address", OriginalObjects.DeleteAsync)
        {
            Positionals = [new("ADDRESS", "the object; what ends with '/' is everything below")],
            Options = [Option.Of("jobs", 'j', "N", "objects of a request (1000)"), Recursive, Pattern],
            Aliases = ["rm"],
        },
        new("get", "read objects and throw them away: a benchmark", OriginalTransfers.GetAsync)
        {
            Positionals = [new("ADDRESS", "an object, or a prefix that ends with '/'", Least: 0)],
            Options =
            [
                Option.Of("jobs", 'j', "N", "objects under way at once (64)") with { Aliases = ["concurrent"] },
                Option.Of("keylist", '\0', "FILE", "a file with an address a line"), Recursive,
                Option.Of("offset", '\0', "N", "of one object, from this byte on"),
                Option.Of("length", '\0', "N", "so many bytes of it"), Endpoints,
            ],
        },
        new("put", "write objects of generated data: a benchmark", OriginalTransfers.PutAsync)
        {
            Positionals = [new("PREFIX", "where they go")],
            Options =
            [
                CreateBucket,
                Option.Of("dedup", 'd', "N", "so many blocks of 1 MiB are equal (1)"),
                Option.Of("jobs", 'j', "N", "objects under way at once (32)"),
                Option.Of("num", 'n', "N", "objects (1)"),
                Option.Of("object-type", 'o', "TYPE", "raw, npz or tf-record (raw)"),
                Option.Of("size", 's', "SIZE", "bytes of an object (20Mi)"),
                Option.Of("template", 't', "TEXT", "their names: number and count take the place of {} (object_{}_of_{}.dat)"),
                Option.Of("compress", 'x', "N", "how many times smaller the data can be made (1)"),
                Option.Of("data-gen-mode", '\0', "MODE", "streaming or single-pass; the data are the same"),
                Option.Of("chunk-size", '\0', "SIZE", "of the generator; the data are the same"), Endpoints,
            ],
        },
        new("upload", "copy files and folders into a store", static run => OriginalTransfers.CopyAsync(run, "upload", 32))
        {
            Positionals = [new("FILE", "files, folders or patterns", Many: true), new("DESTINATION", "the folder they go to")],
            Options = [Option.Of("jobs", 'j', "N", "objects under way at once (32)"), CreateBucket],
        },
        new("download", "copy objects and folders to files", static run => OriginalTransfers.CopyAsync(run, "download", 64))
        {
            Positionals = [new("ADDRESS", "what to copy"), new("DIRECTORY", "where to")],
            Options = [Option.Of("jobs", 'j', "N", "objects under way at once (64)"), Recursive],
        },
        new("cp", "copy objects, from any store to any", static run => OriginalTransfers.CopyAsync(run, "cp", 32))
        {
            Positionals = [new("SOURCE", "what to copy"), new("DESTINATION", "where to")],
            Options = [Option.Of("jobs", 'j', "N", "objects under way at once (32)"), Recursive, CreateBucket],
        },
        new("version", "print the version", static run =>
        {
            run.Terminal.Line($"{Name} {About.Number}");
            return Task.FromResult(ExitCode.Good);
        }),
    ];

    public static CommandSet Commands { get; } = new(Name,
        "The original's program over this library. Numbers take k, m, g, ki, mi, gi and '_'; 's3dlio --help' has everything else.", Verbs,
        Everywhere);

    /// <summary>Whether the program was started by that name, or with it as its first word, which is taken away.</summary>
    public static bool IsMeant(ref string[] arguments)
    {
        if (arguments is [Name, .. var rest])
            arguments = rest;
        else if (Path.GetFileName(Environment.GetCommandLineArgs()[0]) != Name)
            return false;
        if (arguments is ["--version"] or ["-V"])
            arguments = ["version"];
        return true;
    }
}
