using System.Runtime.InteropServices;

namespace S3dlio.Compression;

/// <summary>
/// The stable part of libzstd's interface (zstd.h, 1.4 and newer). Linked into the published library; tests find the shared one.
/// </summary>
static partial class Libzstd
{
    public const int MinLevel = 1, MaxLevel = 22;

    /// <summary>What <see cref="FrameContentSize"/> gives where the header does not say, and where there is no header.</summary>
    public const ulong SizeUnknown = ulong.MaxValue, SizeError = ulong.MaxValue - 1;

    /// <summary>Errors are negative numbers of zstd_errors.h; this one is ZSTD_error_memory_allocation.</summary>
    internal static nuint MemoryError => unchecked((nuint)(-64L));

    // ZSTD_cParameter
    public const int CompressionLevel = 100, ContentSizeFlag = 200, ChecksumFlag = 201;

    const string Library = "libzstd";

    [LibraryImport(Library, EntryPoint = "ZSTD_createCCtx")]
    public static partial CompressionContext CreateCompression();

    [LibraryImport(Library, EntryPoint = "ZSTD_freeCCtx")]
    public static partial nuint FreeCompression(nint context);

    [LibraryImport(Library, EntryPoint = "ZSTD_CCtx_setParameter")]
    public static partial nuint SetParameter(CompressionContext context, int parameter, int value);

    [LibraryImport(Library, EntryPoint = "ZSTD_compressBound")]
    public static partial nuint CompressBound(nuint length);

    [LibraryImport(Library, EntryPoint = "ZSTD_compress2")]
    public static partial nuint Compress(CompressionContext context, ref byte target, nuint capacity, ref byte source, nuint length);

    [LibraryImport(Library, EntryPoint = "ZSTD_createDCtx")]
    public static partial DecompressionContext CreateDecompression();

    [LibraryImport(Library, EntryPoint = "ZSTD_freeDCtx")]
    public static partial nuint FreeDecompression(nint context);

    [LibraryImport(Library, EntryPoint = "ZSTD_decompressDCtx")]
    public static partial nuint Decompress(DecompressionContext context, ref byte target, nuint capacity, ref byte source, nuint length);

    /// <summary>A step of a stream, with plain arguments; experimental in the header and unchanged since 1.4.</summary>
    [LibraryImport(Library, EntryPoint = "ZSTD_decompressStream_simpleArgs")]
    public static partial nuint DecompressStream(
        DecompressionContext context, ref byte target, nuint capacity, ref nuint targetAt, ref byte source, nuint length,
        ref nuint sourceAt);

    [LibraryImport(Library, EntryPoint = "ZSTD_getFrameContentSize")]
    public static partial ulong FrameContentSize(ref byte source, nuint length);

    [LibraryImport(Library, EntryPoint = "ZSTD_isError")]
    public static partial uint IsError(nuint code);

    [LibraryImport(Library, EntryPoint = "ZSTD_getErrorName")]
    private static partial nint ErrorName(nuint code);

    /// <summary>The result of a call; an error that says that memory could not be allocated is the one of .NET.</summary>
    /// <param name="code">What the call returned.</param>
    /// <param name="failed">The exception for any other error, from zstd's description of it.</param>
    public static nuint Check(nuint code, Func<string, Exception> failed)
    {
        if (IsError(code) == 0)
            return code;
        throw code == MemoryError ? OutOfMemory("a block") : failed(Describe(code));
    }

    /// <summary>A context that was created; zstd gives none where there is no memory for it.</summary>
    public static T Check<T>(T context)
        where T : SafeHandle => context.IsInvalid ? throw OutOfMemory("its state") : context;

    static InsufficientMemoryException OutOfMemory(string what) => new($"zstd could not allocate memory for {what}");

    public static string Describe(nuint code) => Marshal.PtrToStringAnsi(ErrorName(code)) ?? "unknown error";
}

sealed class CompressionContext() : SafeHandle(0, ownsHandle: true)
{
    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle() => Libzstd.FreeCompression(handle) == 0;
}

sealed class DecompressionContext() : SafeHandle(0, ownsHandle: true)
{
    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle() => Libzstd.FreeDecompression(handle) == 0;
}
