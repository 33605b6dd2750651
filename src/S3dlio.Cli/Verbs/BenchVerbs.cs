using S3dlio.Cli.Benches;
using S3dlio.Cli.CommandLine;

namespace S3dlio.Cli.Verbs;

/// <summary><c>bench</c>: how fast a store is from here, and what limits it.</summary>
static class BenchVerbs
{
    static readonly Option Report =
        Option.Of("report", '\0', "FILE", "rates and latencies over time, in a name that ends with .html, .png or .svg");

    static readonly Option Keep = Option.Flag("keep", '\0', "leave what was written");

    static readonly Positional Where = new("ADDRESS", "a folder or prefix; what is written goes below it, to a name of its own");

    const string Terms = "Latencies run from the call to its end, first byte is when an object is open; every byte that is read is "
        + "compared with its checksum. CPU is this program's, in the kernel too. GB are 10^9 bytes, MiB 2^20. What is written is deleted "
        + "at the end, also after Ctrl-C.";

    public static readonly Verb Verb = new("bench", "measure how fast a store is from here, and what limits it", null)
    {
        Verbs =
        [
            new("objects", "a mix of operations on objects, many at once", ObjectBench.RunAsync)
            {
                Positionals = [Where],
                Options =
                [
                    Option.Of("size", 's', "SIZE,SIZE", "bytes of objects, in turns (1Mi)"),
                    Option.Of("objects", 'n', "N", "objects that are read, listed and looked at (1000)"),
                    Option.Of("mix", '\0', "OP=WEIGHT,OP=WEIGHT", "of get, put, stat, list and delete (get=45,put=15,stat=30,delete=10)"),
                    Option.Of("duration", 'd', "TIME", "how long (10s)"),
                    Option.Of("warm-up", '\0', "TIME", "before it counts (1s)"), Common.JobsOption,
                    Option.Of("compress", 'x', "N", "how many times smaller the data can be made (1)"), Report, Keep,
                ],
                Details = Terms + " The mix is that of 'warp mixed' unless another is given; deletions are of objects that the run itself "
                    + "wrote.",
                Examples = ["s3dlio bench objects s3://bucket/bench --size 4Ki,1Mi --duration 30s --report bench.html",
                    "s3dlio bench objects --mix get=1 --size 64Mi -n 16 -j 4 file:///mnt/fast"],
            },
            new("tensors", "save and load a model as safetensors", TensorBench.TensorsAsync)
            {
                Positionals = [Where],
                Options = [.. Model, Option.Flag("durable", '\0', "have it on the device before it counts as written"), Report, Keep],
                Details = Terms,
                Examples = ["s3dlio bench tensors --size 2Gi s3://bucket/bench"],
            },
            new("checkpoint", "save and load checkpoints of several ranks", TensorBench.CheckpointAsync)
            {
                Positionals = [Where],
                Options = [.. Model, Option.Of("ranks", 'r', "N", "shards, written and read at once (2)"), Report, Keep],
                Details = Terms + " A save ends when its manifest is durable.",
                Examples = ["s3dlio bench checkpoint --size 2Gi --ranks 8 s3://bucket/bench"],
            },
        ],
    };

    static Option[] Model =>
    [
        Option.Of("size", 's', "SIZE", "bytes of the model (256Mi)"),
        Option.Of("tensors", 't', "N", "tensors of it (32)"),
        Option.Of("rounds", 'n', "N", "saves and loads that count; one more is warm-up (5)"),
    ];
}
