using System.Diagnostics;
using System.Text;
using S3dlio.Storage;
using Xunit;

namespace S3dlio.Tests.Storage;

/// <summary>Programs that are asked for credentials and do not play along.</summary>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed class CredentialProgramTests : IDisposable
{
    readonly TemporaryDirectory _folder = new();

    public void Dispose() => _folder.Delete();

    string Program(string script)
    {
        string path = _folder["program"];
        File.WriteAllText(path, "#!/bin/sh\n" + script + "\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return path;
    }

    /// <summary>More than a pipe holds: whoever writes it waits for the reader.</summary>
    static readonly byte[] Long = Encoding.ASCII.GetBytes($"{{\"vendor\":\"{new string('x', 300_000)}\"}}\n");

    [Fact]
    public async Task Run_ProgramThatReadsNothing_EndsInTime()
    {
        string path = Program("exec sleep 100");
        var clock = Stopwatch.StartNew();
        var error = await Assert.ThrowsAsync<CredentialException>(() =>
            Task.Run(() => CredentialProgram.Run(path, Long, TimeSpan.FromSeconds(0.5))).WaitAsync(TimeSpan.FromSeconds(60)));
        Assert.Equal($"{path} gave no answer within 0.5 s", error.Message);
        Assert.InRange(clock.Elapsed.TotalSeconds, 0.4, 50);
    }

    [Fact]
    public async Task Run_LongQuestion_ArrivesWhole()
    {
        // a slow reader: the question goes as the pipe has room
        string path = Program("sleep 0.3; head -n 1 | tr x y");
        byte[] answer = await Task.Run(() => CredentialProgram.Run(path, Long, TimeSpan.FromSeconds(60)));
        Assert.Equal(Encoding.ASCII.GetString(Long).Replace('x', 'y'), Encoding.ASCII.GetString(answer));
    }

    [Fact]
    public async Task Run_ProgramThatEndsUnasked_SaysHow()
    {
        string path = Program("exit 3");
        var error = await Assert.ThrowsAsync<CredentialException>(() =>
            Task.Run(() => CredentialProgram.Run(path, Long, TimeSpan.FromSeconds(60))));
        Assert.Equal($"{path} ended with status 3", error.Message);
    }
}
