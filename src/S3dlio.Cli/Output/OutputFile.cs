using S3dlio.Storage;

namespace S3dlio.Cli.Output;

/// <summary>A local file that a verb writes; <c>-</c> is standard output.</summary>
static class OutputFile
{
    /// <exception cref="StoreException">It cannot be made.</exception>
    public static Stream Open(string path)
    {
        try
        {
            return path == "-" ? Console.OpenStandardOutput() : File.Create(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new StoreException(ErrorKind.InvalidArgument, path, error.Message, cause: error);
        }
    }

    public static void Write(string path, ReadOnlySpan<byte> bytes)
    {
        using var file = Open(path);
        file.Write(bytes);
    }
}
