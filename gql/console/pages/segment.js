export async function show(page) {
  return page.view('segment', {});
}
