using Xunit;

namespace S3dlio.Tests;

/// <summary>A test that runs another program, and is skipped where that is not installed.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class NeedsProgramAttribute : FactAttribute
{
    public NeedsProgramAttribute(string program)
    {
        Program = program;
        if (Find(program) is null)
            Skip = $"the program {program} is not installed";
    }

    public string Program { get; }

    public static string? Find(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(
            ':').Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);
}
