using System.ComponentModel;
using System.Diagnostics;
using S3dlio.Cli.Addresses;
using S3dlio.Cli.CommandLine;
using S3dlio.Storage;

namespace S3dlio.Cli.Verbs;

/// <summary><c>checkpoint convert</c>: what torch wrote can be read by torch alone, so Python does it.</summary>
static class Conversions
{
    const string Module = "s3dlio.torch._convert";

    public static readonly Verb Verb = new("convert", "make one of a checkpoint that torch wrote", RunAsync)
    {
        Positionals =
        [
            new("SOURCE", "a directory of torch's FileSystemWriter, or a file of torch.save"),
            new("TARGET", "a folder of checkpoints, that of one DCP checkpoint, or a safetensors object"),
        ],
        Options =
        [
            Option.Of("to", '\0', "KIND", "state, dcp or safetensors (by the target's name and the source)"),
            Option.Of("step", '\0', "N", "the step of the checkpoint (0)"),
            Option.Flag("allow-pickle", '\0', "unpickle what holds more than tensors and values; it can run anything"),
        ],
        Details = "It starts python3, or what S3DLIO_PYTHON names, which needs torch. Nothing of the source runs; with --allow-pickle it "
            + "is unpickled in a process of its own, without the environment and its credentials.",
        Examples = ["s3dlio checkpoint convert /runs/old/step-100 s3://bucket/new/step-100"],
    };

    static async Task<int> RunAsync(Invocation run)
    {
        string python = Environment.GetEnvironmentVariable("S3DLIO_PYTHON") is { Length: > 0 } chosen ? chosen : "python3";
        var start = new ProcessStartInfo(python, ["-m", Module, .. run.Arguments]);
        foreach (string name in (string[])["to", "step"])
        {
            if (run.Text(name) is { } value)
                start.ArgumentList.Add($"--{name}={value}");
        }
        if (run.Has("allow-pickle"))
            start.ArgumentList.Add("--allow-pickle");
        // the store of one of the two: files need no options
        string remote = run.Arguments.FirstOrDefault(StoreUri.IsAddress) ?? "file:///";
        start.Environment[Stores.OptionsVariable] = run.Stores.OptionsFor(remote);
        // the package that this program lies in
        if (File.Exists(Path.Combine(AppContext.BaseDirectory, "__init__.py")))
        {
            string above = Path.GetDirectoryName(AppContext.BaseDirectory.TrimEnd('/'))!;
            string path = Environment.GetEnvironmentVariable("PYTHONPATH") ?? "";
            start.Environment["PYTHONPATH"] = path.Length > 0 ? $"{above}:{path}" : above;
        }
        try
        {
            using var process = Process.Start(start)!;
            await process.WaitForExitAsync(run.Cancel);
            return process.ExitCode == 0 ? run.Outcome : ExitCode.Failed;
        }
        catch (Win32Exception error)
        {
            throw new UsageException($"checkpoint convert: {python} cannot be started ({error.Message}); S3DLIO_PYTHON names another");
        }
    }
}
