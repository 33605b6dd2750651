using S3dlio.Storage;

namespace S3dlio.Tests.Storage;

/// <summary>A directory of one test's own, on the file system that the tests were built on.</summary>
sealed class TemporaryDirectory
{
    public TemporaryDirectory()
    {
        Path = System.IO.Path.Combine(AppContext.BaseDirectory, "scratch", Guid.NewGuid().ToString("n"));
        Directory.CreateDirectory(Path);
    }

    public string Path { get; }

    public string this[string name] => System.IO.Path.Combine(Path, name);

    public void Delete() => Directory.Delete(Path, recursive: true);
}
