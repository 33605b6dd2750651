namespace S3dlio.Storage.Remote.Azure;

/// <summary>
/// The keys that Azure keeps as they are. Its front end rewrites some paths before it looks at them: a dot at a segment's end is dropped,
/// <c>.</c> and <c>..</c> are resolved, a backslash becomes a slash. Such a write would land on another object, so it is refused here, on
/// the emulator too, which is more lenient.
/// </summary>
static class AzureKey
{
    public static void Check(StoreUri root, string key)
    {
        ObjectKey.Check(root, key);
        CheckText(root, key);
    }

    /// <summary>The same for a key that a listing gave, which may end with <c>/</c>.</summary>
    public static void CheckListed(StoreUri root, string key)
    {
        ObjectKey.CheckListed(root, key);
        CheckText(root, key);
    }

    static void CheckText(StoreUri root, string key)
    {
        for (int i = 0; i < key.Length; i++)
        {
            char c = key[i];
            if (c == '\\')
                throw Refused(root, key, "a backslash, which Azure takes for a slash");
            if (c is < ' ' or (>= '\u007F' and <= '\u009F') or '\uFFFE' or '\uFFFF')
                throw Refused(root, key, $"the control character U+{(int)c:X4}, which Azure does not allow");
            if (c == '.' && (i + 1 == key.Length || key[i + 1] == '/'))
                throw Refused(root, key, "a part that ends with a dot, which Azure drops");
        }
    }

    static StoreException Refused(StoreUri root, string key, string what) =>
        new(ErrorKind.InvalidArgument, root.Child(key),
            $"the key holds {what}: the object would get another name; choose a key without it");
}
