{recipe}
