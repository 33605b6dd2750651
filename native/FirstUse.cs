using System.Runtime.CompilerServices;
using S3dlio.Storage;

namespace S3dlio.Native;

/// <summary>Runs once, while the runtime starts and before any export does.</summary>
static class FirstUse
{
    // .NET 9's locks had to be prepared here as well: of a hundred processes whose first calls came from several threads at once, one
    // died. Under .NET 10 none of 1,500 did without that (S3DLIO_FIRST_USES of test_first_use.py)
#pragma warning disable CA2255 // it is the library's start, and no application's, that has to come before everything
    [ModuleInitializer]
#pragma warning restore CA2255
    internal static void Prepare() => CredentialProgram.Folder = OwnFile.Folder;
}
