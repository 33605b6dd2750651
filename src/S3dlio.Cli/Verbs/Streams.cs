using S3dlio.Cli.Addresses;
using S3dlio.Cli.CommandLine;
using S3dlio.Cli.Output;
using S3dlio.Storage;
using S3dlio.Transfer;

namespace S3dlio.Cli.Verbs;

/// <summary><c>pipe</c>: standard input becomes an object.</summary>
static class Streams
{
    public static readonly Verb Pipe = new("pipe", "write standard input to an object", RunAsync)
    {
        Positionals = [new("DESTINATION", "the object")],
        Options =
        [
            Option.Of("level", 'z', "LEVEL", "compress with zstd, 1 to 22; .zst is put behind the name"),
            Option.Flag("durable", '\0', "have it on the device before it counts as written"),
            Option.Flag("no-clobber", '\0', "fail when the object exists"),
            Option.Of("content-type", '\0', "TYPE", "what the object is called"),
            Option.Of("metadata", '\0', "KEY=VALUE", "kept with the object") with { Repeats = true },
        ],
        Details = "The object appears when standard input ends, whole, and never when the program is interrupted. What writes to the "
            + "pipe and fails is not seen here: with 'set -o pipefail' the shell tells.",
        Examples = ["tar c run1 | s3dlio pipe -z 3 s3://bucket/run1.tar"],
    };

    static async Task<int> RunAsync(Invocation run)
    {
        await PipeAsync(run, run.Stores.Open(run.Arguments[0], wildcards: false), Copies.WriteOptions(run), run.Text("level") is null
            ? null : run.Integer("level", 3, 1, 22));
        return run.Outcome;
    }

    public static async Task PipeAsync(Invocation run, Place place, PutOptions options, int? level)
    {
        const int pieceLength = 4 << 20;
        using var input = Console.OpenStandardInput();
        run.Terminal.Progress.Start();
        await using var output = await ObjectOutput.OpenAsync(place.Store, place.Key, level,
            options with { Overwrite = !run.Has("no-clobber") }, run.Cancel);
        var buffer = new byte[pieceLength];
        while (true)
        {
            // a read of a pipe cannot be ended: when the program is, the thread that waits there goes with it
            int count = await Task.Run(() => input.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false), CancellationToken.None)
                .WaitAsync(run.Cancel);
            if (count == 0)
                break;
            await output.WriteAsync(LargeMemory.From(buffer.AsMemory(0, count)), run.Terminal.Progress, run.Cancel);
        }
        var done = await output.CompleteAsync(run.Cancel);
        string address = place.Address(output.Key);
        run.Terminal.Progress.Dispose();
        if (run.Terminal.Json)
            run.Terminal.Object(json => JsonText.Brief(json, address, done.Object));
        else if (run.Terminal.Verbose)
            run.Terminal.Line($"wrote {Quoted.Name(address)}, {Quantity.Show(done.Object.Size)}");
    }
}
